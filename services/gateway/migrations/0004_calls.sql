-- Why:  a message out of a spool is late only behind a later one, which must not cost a search; a
--       recording may be reported before its call.
-- Lock: brief; the tables are small before the first release.

-- The latest received_at of the customer's messages.
ALTER TABLE conversations ADD COLUMN last_inbound_at timestamptz;
UPDATE conversations c SET last_inbound_at = (
    SELECT max(m.received_at) FROM messages m
    WHERE m.organization_id = c.organization_id AND m.conversation_id = c.id
        AND m.direction = 'inbound');

-- Recordings of calls that are not known yet: applied when the call is stored. They name no number,
-- so they wait in the account's first organization.
CREATE TABLE early_recordings (
    organization_id uuid NOT NULL,
    account_sid text NOT NULL,
    call_sid text NOT NULL,
    -- Empty if the recording has none yet.
    recording_sid text NOT NULL,
    url text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    at timestamptz NOT NULL,
    PRIMARY KEY (organization_id, account_sid, call_sid, recording_sid, url)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON early_recordings TO gateway_worker;
ALTER TABLE early_recordings ENABLE ROW LEVEL SECURITY;
ALTER TABLE early_recordings FORCE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON early_recordings TO gateway_api
    USING (organization_id = own_organization_id())
    WITH CHECK (organization_id = own_organization_id());
CREATE POLICY every_organization ON early_recordings TO gateway_worker
    USING (true) WITH CHECK (true);
