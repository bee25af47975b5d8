-- Why:  a send whose answer was lost is decided by evidence, a person or the organization's policy,
--       with its history; messages are sent later, canceled and planned again; a sender that was
--       restored gets all suppressions again.
-- Lock: brief. Constant defaults rewrite nothing; the new indexes are partial, of rows that are few
--       or none yet.

ALTER TABLE organizations
    ADD COLUMN unconfirmed_policy text NOT NULL DEFAULT 'ask'
        CHECK (unconfirmed_policy IN ('ask', 'resend')),
    ADD COLUMN unconfirmed_after_minutes int NOT NULL DEFAULT 30
        CHECK (unconfirmed_after_minutes BETWEEN 1 AND 1440);

ALTER TABLE messages
    -- When it is to be sent; NULL: at once.
    ADD COLUMN send_at timestamptz,
    -- Until when it may be planned again; NULL: it ends with its command.
    ADD COLUMN expires_at timestamptz,
    -- When the dispatcher emits it; NULL unless it is scheduled.
    ADD COLUMN plan_at timestamptz,
    -- How often its command was emitted without the sender saying that it has it.
    ADD COLUMN emissions int NOT NULL DEFAULT 0,
    -- Since when it is unconfirmed; NULL unless it is. Beside `status`, because an index on that
    -- would cost every change of every message.
    ADD COLUMN unconfirmed_at timestamptz,
    -- What the sender found about it, as domain/unconfirmed.h writes it.
    ADD COLUMN findings text NOT NULL DEFAULT '',
    -- They speak against it: a finding shows later messages of its sender, but not it.
    ADD COLUMN refuted boolean NOT NULL DEFAULT false,
    ADD COLUMN look_again_at timestamptz,
    -- The best of the attempts before the latest ('sent', 'delivered', 'read'; '' if none), and the
    -- latest attempt's own status ('' if `status` is that): `status` is what both come to.
    ADD COLUMN earlier_status text NOT NULL DEFAULT '',
    ADD COLUMN attempt_status text NOT NULL DEFAULT '',
    -- How often the organization's policy has sent it again.
    ADD COLUMN policy_resends int NOT NULL DEFAULT 0,
    -- SIDs that it has, once it was sent again.
    ADD COLUMN copies int NOT NULL DEFAULT 0;
CREATE INDEX messages_unconfirmed ON messages (organization_id, unconfirmed_at, id)
    WHERE unconfirmed_at IS NOT NULL;
CREATE INDEX messages_planned ON messages (plan_at) WHERE plan_at IS NOT NULL;

-- What Twilio said of each attempt; only forward by rank.
ALTER TABLE message_attempts
    ADD COLUMN status text NOT NULL DEFAULT 'sent',
    ADD COLUMN status_rank smallint NOT NULL DEFAULT 0,
    ADD COLUMN status_at timestamptz,
    ADD COLUMN error_code int NOT NULL DEFAULT 0;

-- `source` is also 'policy'; `actor` as in audit_events, with 'api' only.
ALTER TABLE message_status_changes
    ADD COLUMN attempt int NOT NULL DEFAULT 0,
    ADD COLUMN message_sid text NOT NULL DEFAULT '',
    ADD COLUMN reason text NOT NULL DEFAULT '',
    ADD COLUMN message text NOT NULL DEFAULT '',
    ADD COLUMN actor text NOT NULL DEFAULT '';

-- How long Kafka has not taken anything.
ALTER TABLE outbox ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();

-- The runs that republish all suppressions: one row. Global; gateway_worker's alone.
CREATE TABLE consent_republication (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    -- A run that began earlier does not answer it; NULL: nobody has asked.
    requested_at timestamptz,
    -- Of the last run that finished; NULL before the first.
    started_at timestamptz,
    finished_at timestamptz,
    records bigint NOT NULL DEFAULT 0
);
INSERT INTO consent_republication DEFAULT VALUES;
GRANT SELECT, UPDATE ON consent_republication TO gateway_worker;
