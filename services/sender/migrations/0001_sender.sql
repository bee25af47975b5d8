-- Why:  the sender's durable queue: deliveries, who sends them (shards), what it knows of accounts,
--       numbers, consent and campaigns.
-- Keys: deliveries and cancellations begin with organization_id. The others belong to the
--       installation: shards and replicas (who works), accounts, numbers and lanes (an account may
--       serve several organizations), consents (their scope is decided at the gate).
-- Lock: new tables only.

DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'sender_worker') THEN
        CREATE ROLE sender_worker NOLOGIN;
    END IF;
EXCEPTION
    -- Roles are shared by all databases of a server: another one may have made it just now.
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;
GRANT sender_worker TO CURRENT_USER;

-- Ownership ------------------------------------------------------------------------------------

CREATE TABLE shards (
    shard smallint PRIMARY KEY CHECK (shard BETWEEN 0 AND 255),
    owner text,
    epoch bigint NOT NULL DEFAULT 0,
    lease_until timestamptz NOT NULL DEFAULT '-infinity'
);
INSERT INTO shards (shard) SELECT generate_series(0, 255);
COMMENT ON TABLE shards IS 'Who may send for which part of the numbers, and until when.';
COMMENT ON COLUMN shards.epoch IS 'Rises with each change of owner; the journal checks it.';

CREATE TABLE replicas (
    replica text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
COMMENT ON TABLE replicas IS 'Replicas that renewed lately share the shards evenly.';

-- What the directory and other topics told -------------------------------------------------------

CREATE TABLE accounts (
    account_sid text PRIMARY KEY,
    version bigint NOT NULL,
    removed boolean NOT NULL,
    sealed_auth_token bytea NOT NULL,
    test_credentials boolean NOT NULL,
    public_url text NOT NULL,
    organization_ids uuid[] NOT NULL
);
COMMENT ON COLUMN accounts.sealed_auth_token IS 'Under the directory key; opened in memory only.';

CREATE TABLE numbers (
    account_sid text NOT NULL,
    number text NOT NULL,
    version bigint NOT NULL,
    removed boolean NOT NULL,
    organization_id text NOT NULL,
    sms_rate double precision NOT NULL,
    whatsapp_rate double precision NOT NULL,
    public_url text NOT NULL,
    PRIMARY KEY (account_sid, number)
);

CREATE TABLE consents (
    customer_number text NOT NULL,
    account_sid text NOT NULL,
    business_number text NOT NULL,
    organization_id text NOT NULL,
    stopped boolean NOT NULL,
    given_at timestamptz NOT NULL,
    PRIMARY KEY (customer_number, account_sid, business_number, organization_id)
);
COMMENT ON TABLE consents IS
    'The newest STOP or START of each customer to each number; the gate decides its scope.';
COMMENT ON COLUMN consents.organization_id IS 'As the record named it; empty: by the number.';

CREATE TABLE blocked_pairs (
    account_sid text NOT NULL,
    sender_number text NOT NULL,
    customer_number text NOT NULL,
    blocked_at timestamptz NOT NULL,
    PRIMARY KEY (customer_number, account_sid, sender_number)
);
COMMENT ON TABLE blocked_pairs IS 'Twilio answered 21610; ends with a later START to that number.';

CREATE TABLE campaigns (
    organization_id uuid NOT NULL,
    campaign_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'canceled')),
    PRIMARY KEY (organization_id, campaign_id)
);

CREATE TABLE cancellations (
    organization_id uuid NOT NULL,
    message_id uuid NOT NULL,
    generation integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, message_id)
);
COMMENT ON COLUMN cancellations.generation IS 'This generation and lower ones are not sent.';
CREATE INDEX cancellations_age ON cancellations USING brin (created_at);

-- The queue ------------------------------------------------------------------------------------

CREATE TABLE lanes (
    lane_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard smallint NOT NULL REFERENCES shards,
    account_sid text NOT NULL,
    medium smallint NOT NULL,
    sender_number text NOT NULL,
    last_request_at timestamptz,
    last_segments integer NOT NULL DEFAULT 0,
    UNIQUE (account_sid, medium, sender_number)
) WITH (fillfactor = 50);
CREATE INDEX lanes_shard ON lanes (shard);
COMMENT ON TABLE lanes IS 'A sender number on one medium: what has a rate.';
COMMENT ON COLUMN lanes.last_request_at IS
    'Journal time of the last request: a new owner waits one interval from here.';

CREATE TABLE deliveries (
    organization_id uuid NOT NULL,
    message_id uuid NOT NULL,
    generation integer NOT NULL,
    ord bigint GENERATED ALWAYS AS IDENTITY,
    lane_id bigint NOT NULL,
    customer_number text NOT NULL,
    body text NOT NULL,
    media_urls text[] NOT NULL,
    content_sid text NOT NULL,
    content_variables text NOT NULL,
    messaging_service_sid text NOT NULL,
    segments integer NOT NULL,
    conversation_id uuid,
    conversation_seq bigint NOT NULL,
    campaign_id uuid,
    priority smallint NOT NULL CHECK (priority IN (1, 2)),
    created_at timestamptz NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    whatsapp_window_until timestamptz,
    state text NOT NULL DEFAULT 'queued' CHECK (
        state IN ('queued', 'sending', 'sent', 'failed', 'unconfirmed', 'canceled', 'expired')
    ),
    due_at timestamptz NOT NULL,
    held_by text,
    attempt integer NOT NULL DEFAULT 0,
    errors integer NOT NULL DEFAULT 0,
    journal bigint NOT NULL DEFAULT 0,
    requested_at timestamptz,
    deadline timestamptz,
    message_sid text NOT NULL DEFAULT '',
    segments_counted integer NOT NULL DEFAULT 0,
    error_code integer NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    message text NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 0,
    published_version bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, message_id, generation)
) WITH (
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_analyze_scale_factor = 0.1,
    autovacuum_vacuum_cost_limit = 2000
);
COMMENT ON COLUMN deliveries.ord IS 'Order of arrival; settles ties of due_at.';
COMMENT ON COLUMN deliveries.lane_id IS
    'Names account, medium and sender number. Lanes are never deleted; a foreign key would lock them.';
COMMENT ON COLUMN deliveries.due_at IS 'Not sent before; moved by retries.';
COMMENT ON COLUMN deliveries.held_by IS 'campaign: its campaign is paused. NULL: it may go.';
COMMENT ON COLUMN deliveries.attempt IS
    'Requests begun, counted on over the generations of a message, so that each names one request.';
COMMENT ON COLUMN deliveries.errors IS 'Requests that were answered with a retryable error.';
COMMENT ON COLUMN deliveries.journal IS
    'Token of the journal entry that began the attempt; only its holder writes the outcome.';
COMMENT ON COLUMN deliveries.deadline IS 'A sending row is unconfirmed after it.';
COMMENT ON COLUMN deliveries.version IS 'Rises with each change that the gateway is told.';

CREATE INDEX deliveries_queue ON deliveries (lane_id, priority, due_at, ord)
WHERE state = 'queued' AND held_by IS NULL;
CREATE INDEX deliveries_conversation
ON deliveries (organization_id, conversation_id, priority, conversation_seq)
WHERE state IN ('queued', 'sending', 'unconfirmed') AND conversation_id IS NOT NULL;
CREATE INDEX deliveries_deadline ON deliveries (deadline) WHERE state = 'sending';
CREATE INDEX deliveries_expiry ON deliveries (not_after) WHERE state = 'queued';
CREATE INDEX deliveries_campaign ON deliveries (organization_id, campaign_id)
WHERE state = 'queued' AND campaign_id IS NOT NULL;
CREATE INDEX deliveries_unpublished ON deliveries (changed_at) WHERE version > published_version;
CREATE INDEX deliveries_retention ON deliveries USING brin (not_after);

GRANT USAGE ON SCHEMA sender TO sender_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA sender TO sender_worker;
REVOKE INSERT, DELETE ON shards FROM sender_worker;
REVOKE ALL ON schema_migrations FROM sender_worker;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA sender TO sender_worker;
