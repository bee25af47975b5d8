-- Why:  webhooks of every kind: calls and voicemails, what came late or was recovered, answers by
--       TwiML with office hours, quarantined webhooks, opt-outs by sender, Twilio's prices.
-- Lock: brief. Constant defaults rewrite nothing; the new primary key is of a small table.

-- How far an opt-out reaches; decided when a message is about to leave.
ALTER TABLE organizations
    ADD COLUMN consent_scope text NOT NULL DEFAULT 'organization'
        CHECK (consent_scope IN ('organization', 'sender'));

ALTER TABLE channels
    ADD COLUMN auto_reply_mode text NOT NULL DEFAULT 'off'
        CHECK (auto_reply_mode IN ('off', 'always', 'out_of_hours', 'first_message')),
    -- IANA name; '' means UTC.
    ADD COLUMN office_time_zone text NOT NULL DEFAULT '',
    -- [{"weekday": 1, "from_minute": 540, "to_minute": 1020}], Monday is 1.
    ADD COLUMN office_hours jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN voice_language text NOT NULL DEFAULT '',
    ADD COLUMN voice_name text NOT NULL DEFAULT '',
    ADD COLUMN voice_action text NOT NULL DEFAULT 'none'
        CHECK (voice_action IN ('none', 'voicemail', 'forward')),
    ADD COLUMN forward_number text NOT NULL DEFAULT '',
    ADD COLUMN voicemail_seconds_max int NOT NULL DEFAULT 120
        CHECK (voicemail_seconds_max BETWEEN 1 AND 600),
    -- Public address of its webhooks where it differs from the account's.
    ADD COLUMN public_url text NOT NULL DEFAULT '';
UPDATE channels SET auto_reply_mode = 'always' WHERE auto_reply <> '';

ALTER TABLE messages
    -- Out of Twilio's list: its webhook never arrived.
    ADD COLUMN recovered boolean NOT NULL DEFAULT false,
    -- What Twilio said of it that has no column of its own, by parameter name.
    ADD COLUMN parameters jsonb NOT NULL DEFAULT '{}',
    -- Body, media and parameters are gone for good; the row keeps its place in the order.
    ADD COLUMN erased_at timestamptz,
    -- As Twilio reports it: negative; NULL until it is known.
    ADD COLUMN price numeric(12, 6),
    ADD COLUMN price_unit text NOT NULL DEFAULT '',
    -- Of a call.
    ADD COLUMN call_status text NOT NULL DEFAULT '',
    ADD COLUMN call_seconds int NOT NULL DEFAULT 0;

-- What each customer said to each sender; who reads it decides how far that reaches: with the scope
-- 'organization' the newest of all the customer's rows counts, with 'sender' the newest of those of
-- that number or Messaging Service and of those that name neither (from the API).
ALTER TABLE suppressions
    ADD COLUMN business_number text NOT NULL DEFAULT '',
    ADD COLUMN messaging_service_sid text NOT NULL DEFAULT '',
    DROP CONSTRAINT suppressions_pkey,
    ADD PRIMARY KEY (organization_id, customer_number, business_number, messaging_service_sid);

-- Webhooks whose signature did not verify, kept for when their public URL has been corrected.
-- Unverified: nothing of them reaches an inbox before that. Bounded for each account.
CREATE TABLE quarantined_webhooks (
    organization_id uuid NOT NULL REFERENCES organizations ON DELETE CASCADE,
    id uuid NOT NULL,
    account_sid text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('message', 'status', 'voice', 'recording')),
    business_number text NOT NULL DEFAULT '',
    idempotency_token text NOT NULL DEFAULT '',
    reason text NOT NULL,
    -- A serialized parley.events.v1.QuarantineRecord.
    request bytea NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, id)
);
CREATE UNIQUE INDEX quarantined_webhooks_token
    ON quarantined_webhooks (organization_id, account_sid, idempotency_token)
    WHERE idempotency_token <> '';
CREATE INDEX quarantined_webhooks_age ON quarantined_webhooks (organization_id, received_at, id);

GRANT SELECT, INSERT, UPDATE, DELETE ON quarantined_webhooks TO gateway_worker;
GRANT SELECT, DELETE ON quarantined_webhooks TO gateway_api;
ALTER TABLE quarantined_webhooks ENABLE ROW LEVEL SECURITY;
ALTER TABLE quarantined_webhooks FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON quarantined_webhooks TO gateway_api
    USING (organization_id = own_organization_id())
    WITH CHECK (organization_id = own_organization_id());
CREATE POLICY every_organization ON quarantined_webhooks TO gateway_worker
    USING (true) WITH CHECK (true);

-- True if the customer has opted out of what this sender would write (see suppressions). Runs with
-- the caller's rights.
CREATE FUNCTION is_opted_out(organization uuid, customer text, sender text)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((
        SELECT s.opted_out
        FROM gateway.suppressions s
        JOIN gateway.organizations o ON o.id = s.organization_id
        WHERE s.organization_id = organization AND s.customer_number = customer
            AND (o.consent_scope = 'organization'
                OR s.business_number IN ('', sender))
        ORDER BY s.given_at DESC, s.opted_out DESC
        LIMIT 1), false)
$$;
