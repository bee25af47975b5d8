-- Why:  the whole path, thin but real: organizations, their accounts and channels, the inbox, the AI's
--       turns, delivery states, live updates, and what leaves for Kafka.
-- Lock: creates only.
--
-- Tenancy: every key begins with organization_id, but for the global tables, named as such below.
-- Roles: gateway_api serves requests and sees one organization, the one in the setting
-- parley.organization_id; gateway_worker (projector, relay, dispatcher, log-in) sees all and joins on
-- organization_id itself.

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_api') THEN
        CREATE ROLE gateway_api NOLOGIN;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'gateway_worker') THEN
        CREATE ROLE gateway_worker NOLOGIN;
    END IF;
    EXECUTE format('GRANT gateway_api, gateway_worker TO %I', current_user);
END $$;

GRANT USAGE ON SCHEMA gateway TO gateway_api, gateway_worker;

-- ---- Global tables ------------------------------------------------------------------------------

CREATE TABLE organizations (
    id uuid PRIMARY KEY,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 320),
    display_name text NOT NULL DEFAULT '',
    password_hash text NOT NULL,
    last_organization_id uuid,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    token_hash text PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
    key_hash text PRIMARY KEY,
    id uuid NOT NULL UNIQUE,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    prefix text NOT NULL,
    role text NOT NULL DEFAULT 'admin' CHECK (role IN ('owner', 'admin', 'agent', 'viewer')),
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz
);
CREATE INDEX api_keys_organization ON api_keys (organization_id, id);

-- One credential for each Twilio account, the last that Twilio accepted, sealed with the master key
-- (purpose "twilio-token", subject: the SID).
CREATE TABLE account_credentials (
    account_sid text PRIMARY KEY,
    sealed_auth_token bytea NOT NULL,
    display_name text NOT NULL DEFAULT '',
    kind text NOT NULL CHECK (kind IN ('full', 'trial', 'test')),
    public_url text NOT NULL DEFAULT '',
    verified_at timestamptz NOT NULL
);

-- Which organizations an account serves; the first one owns it.
CREATE TABLE account_links (
    account_sid text NOT NULL REFERENCES account_credentials,
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_sid, organization_id)
);
CREATE INDEX account_links_organization ON account_links (organization_id, created_at);

-- A number of an account belongs to one organization and one channel of it. Test credentials claim
-- nothing.
CREATE TABLE number_claims (
    account_sid text NOT NULL REFERENCES account_credentials,
    number text NOT NULL,
    organization_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    PRIMARY KEY (account_sid, number)
);
CREATE INDEX number_claims_channel ON number_claims (organization_id, channel_id);

-- What parley.directory should say, by record id; the relay publishes what changed, and all of it
-- daily. `value` is a serialized parley.events.v1.DirectoryRecord.
CREATE TABLE directory_records (
    record_id text PRIMARY KEY,
    version bigint NOT NULL,
    value bytea NOT NULL,
    published_version bigint NOT NULL DEFAULT 0
);

-- ---- The organization's tables ---------------------------------------------------------------

CREATE TABLE memberships (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('owner', 'admin', 'agent', 'viewer')),
    PRIMARY KEY (organization_id, user_id)
);

CREATE TABLE channels (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id uuid NOT NULL,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 200),
    account_sid text NOT NULL DEFAULT '',
    phone_number text NOT NULL DEFAULT '',
    whatsapp_number text NOT NULL DEFAULT '',
    media text[] NOT NULL CHECK (media <@ ARRAY['sms', 'whatsapp', 'voice'] AND cardinality(media) > 0),
    ai_enabled boolean NOT NULL,
    ai_delay_ms int NOT NULL CHECK (ai_delay_ms BETWEEN 0 AND 600000),
    ai_provider text NOT NULL DEFAULT '',
    ai_base_url text NOT NULL DEFAULT '',
    ai_model text NOT NULL DEFAULT '',
    ai_system_prompt text NOT NULL DEFAULT '',
    -- Sealed with the master key, purpose "ai-key", subject: the organization.
    ai_sealed_key bytea,
    auto_reply text NOT NULL DEFAULT '',
    voice_greeting text NOT NULL DEFAULT '',
    -- Made by the projector for a number that nobody claimed.
    unclaimed boolean NOT NULL DEFAULT false,
    deleted_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE contacts (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id uuid NOT NULL,
    display_name text NOT NULL DEFAULT '' CHECK (length(display_name) <= 200),
    phone_number text NOT NULL,
    email text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, phone_number)
);

-- One conversation for each channel, customer and medium. Its row lock orders everything in it.
CREATE TABLE conversations (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id uuid NOT NULL,
    channel_id uuid NOT NULL,
    -- '' for a conversation that is only simulated: nothing is ever sent from it.
    customer_number text NOT NULL,
    medium text NOT NULL CHECK (medium IN ('sms', 'whatsapp', 'voice')),
    contact_id uuid,
    last_seq bigint NOT NULL DEFAULT 0,
    message_count bigint NOT NULL DEFAULT 0,
    read_seq bigint NOT NULL DEFAULT 0,
    unread_count bigint NOT NULL DEFAULT 0,
    last_message_id uuid,
    last_message_at timestamptz NOT NULL DEFAULT now(),
    whatsapp_window_until timestamptz,
    -- NULL: as the channel says.
    ai_enabled boolean,
    taken_over_at timestamptz,
    -- The AI's turns. pending_*: collected, not yet due. open_*: emitted, waiting for its reply.
    pending_first_seq bigint,
    pending_last_seq bigint,
    pending_due_at timestamptz,
    open_turn_id uuid,
    open_last_seq bigint,
    open_deadline timestamptz,
    ai_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, channel_id, customer_number, medium)
);
CREATE INDEX conversations_latest ON conversations (organization_id, last_message_at DESC, id DESC);
CREATE INDEX conversations_customer ON conversations (organization_id, customer_number);
CREATE INDEX conversations_due ON conversations (pending_due_at)
    WHERE pending_due_at IS NOT NULL AND open_turn_id IS NULL;
CREATE INDEX conversations_open ON conversations (open_deadline) WHERE open_turn_id IS NOT NULL;

CREATE TABLE messages (
    organization_id uuid NOT NULL,
    id uuid NOT NULL,
    conversation_id uuid NOT NULL,
    channel_id uuid NOT NULL,
    seq bigint NOT NULL,
    direction text NOT NULL CHECK (direction IN ('inbound', 'outbound')),
    author text NOT NULL CHECK (author IN ('customer', 'agent', 'ai', 'system')),
    kind text NOT NULL CHECK (kind IN ('text', 'mms', 'call')),
    medium text NOT NULL CHECK (medium IN ('sms', 'whatsapp', 'voice')),
    body text NOT NULL,
    -- [{"url": …, "content_type": …}]
    media jsonb NOT NULL DEFAULT '[]',
    status text NOT NULL CHECK (status IN (
        'received', 'scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'undelivered',
        'failed', 'canceled', 'unconfirmed')),
    status_at timestamptz NOT NULL,
    error_code int NOT NULL DEFAULT 0,
    error_reason text NOT NULL DEFAULT '',
    error_message text NOT NULL DEFAULT '',
    simulated boolean NOT NULL DEFAULT false,
    late boolean NOT NULL DEFAULT false,
    from_number text NOT NULL,
    to_number text NOT NULL,
    account_sid text NOT NULL DEFAULT '',
    message_sid text NOT NULL DEFAULT '',
    call_sid text NOT NULL DEFAULT '',
    segments int NOT NULL DEFAULT 0,
    user_id uuid,
    -- The AI turn that it answers.
    turn_id uuid,
    -- Raised under the row lock by "send again", re-planning and retry.
    generation int NOT NULL DEFAULT 0,
    -- The latest attempt that is known; `status` is about it.
    attempt int NOT NULL DEFAULT 0,
    -- The sender's last result that was applied; lower ones are ignored.
    result_version bigint NOT NULL DEFAULT 0,
    -- Until the sender has said `accepted`, the command is emitted again after this time.
    emit_again_at timestamptz,
    not_after timestamptz,
    received_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, conversation_id, seq)
);
CREATE INDEX messages_emit_again ON messages (emit_again_at) WHERE emit_again_at IS NOT NULL;

-- Each attempt to send a message has its own SID; evidence of an older one still counts. Twilio may
-- report about a SID before the sender has named it: then message_id is NULL until it has, and the
-- row is what both wait for.
CREATE TABLE message_attempts (
    organization_id uuid NOT NULL,
    account_sid text NOT NULL,
    message_sid text NOT NULL,
    message_id uuid,
    attempt int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, account_sid, message_sid)
);
CREATE INDEX message_attempts_message ON message_attempts (organization_id, message_id);

-- Every change of a message's status, for its history.
CREATE TABLE message_status_changes (
    organization_id uuid NOT NULL,
    message_id uuid NOT NULL,
    id uuid NOT NULL,
    status text NOT NULL,
    error_code int NOT NULL DEFAULT 0,
    -- 'twilio' (a callback), 'sender', 'api'.
    source text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, message_id, id)
);

-- Reports about a SID that is not known yet: applied when the sender's result names it.
CREATE TABLE early_statuses (
    organization_id uuid NOT NULL,
    account_sid text NOT NULL,
    message_sid text NOT NULL,
    status text NOT NULL,
    error_code int NOT NULL DEFAULT 0,
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, account_sid, message_sid, status)
);

CREATE TABLE suppressions (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    customer_number text NOT NULL,
    opted_out boolean NOT NULL,
    -- When the customer said so; the newest counts.
    given_at timestamptz NOT NULL,
    source text NOT NULL,
    PRIMARY KEY (organization_id, customer_number)
);

CREATE TABLE idempotency_keys (
    organization_id uuid NOT NULL,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    -- SHA-256 of method and request.
    request_hash bytea NOT NULL,
    -- Serialized response message.
    response bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- What leaves for Kafka, written in the transaction of its cause and deleted once Kafka has it.
CREATE TABLE outbox (
    organization_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    topic text NOT NULL,
    key text NOT NULL,
    value bytea NOT NULL,
    type text NOT NULL,
    traceparent text NOT NULL DEFAULT '',
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX outbox_order ON outbox (id);

-- What happened to show live, not yet numbered. `data` is parley.v1.LiveEvent as JSON without number
-- and time; nobody queries it, so it is text.
CREATE TABLE live_outbox (
    organization_id uuid NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    name text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX live_outbox_order ON live_outbox (id);

-- The last number given out, for each organization.
CREATE TABLE live_counters (
    organization_id uuid PRIMARY KEY REFERENCES organizations ON DELETE CASCADE,
    last_number bigint NOT NULL
);

-- Numbered, gapless for each organization, kept 24 h.
CREATE TABLE live_events (
    organization_id uuid NOT NULL,
    number bigint NOT NULL,
    name text NOT NULL,
    data text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, number)
);
CREATE INDEX live_events_age ON live_events (created_at);

CREATE TABLE live_tickets (
    organization_id uuid NOT NULL,
    token_hash text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, token_hash)
);

CREATE TABLE audit_events (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id uuid NOT NULL,
    -- 'user:<id>', 'api_key:<id>' or 'system'.
    actor text NOT NULL,
    -- For example 'channel.update'.
    action text NOT NULL,
    subject text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, id)
);

-- ---- Who may do what -------------------------------------------------------------------------

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA gateway TO gateway_worker;
REVOKE ALL ON schema_migrations FROM gateway_worker;

-- Log-in, sessions, keys and accounts are the worker's; the API sees what is its organization's.
GRANT SELECT, UPDATE ON organizations TO gateway_api;
GRANT SELECT ON account_links, number_claims, memberships TO gateway_api;
GRANT SELECT, INSERT, UPDATE ON api_keys TO gateway_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    channels, contacts, conversations, messages, message_attempts, message_status_changes,
    suppressions, idempotency_keys, live_tickets TO gateway_api;
GRANT INSERT ON outbox, live_outbox, audit_events TO gateway_api;
-- INSERT into an identity column reads nothing; RETURNING would need SELECT.
GRANT SELECT ON live_events, live_counters, audit_events TO gateway_api;

-- The caller's organization; NULL, so nothing, where none is set.
CREATE FUNCTION own_organization_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
    $$ SELECT nullif(current_setting('parley.organization_id', true), '')::uuid $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'api_keys', 'account_links', 'number_claims', 'memberships', 'channels', 'contacts',
        'conversations', 'messages', 'message_attempts', 'message_status_changes',
        'early_statuses', 'suppressions', 'idempotency_keys', 'outbox', 'live_outbox',
        'live_counters', 'live_events', 'live_tickets', 'audit_events']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY own_organization ON %I TO gateway_api
             USING (organization_id = own_organization_id())
             WITH CHECK (organization_id = own_organization_id())', name);
        EXECUTE format('CREATE POLICY every_organization ON %I TO gateway_worker
                        USING (true) WITH CHECK (true)', name);
    END LOOP;
    ALTER TABLE organizations ENABLE ROW LEVEL SECURITY;
    ALTER TABLE organizations FORCE ROW LEVEL SECURITY;
    CREATE POLICY own_organization ON organizations TO gateway_api
        USING (id = own_organization_id());
    CREATE POLICY every_organization ON organizations TO gateway_worker
        USING (true) WITH CHECK (true);
END $$;
