-- Why:  tokens are rotated without a gap, quarantined webhooks are released, Twilio's lists are
--       compared with the store, and a live stream ends with the credential that opened it.
-- Lock: brief. Constant defaults rewrite nothing; the new index is of a small, bounded table.

-- The token that is about to become the primary one, sealed alike; NULL unless it is being rotated.
ALTER TABLE account_credentials ADD COLUMN sealed_secondary_token bytea;

-- What opened the ticket: 'session:<token hash>' or 'api_key:<id>'.
ALTER TABLE live_tickets ADD COLUMN credential text NOT NULL DEFAULT '';

-- A release notes the addresses that it tried.
GRANT UPDATE ON quarantined_webhooks TO gateway_api;
-- The oldest of an account go when it has too many.
CREATE INDEX quarantined_webhooks_account ON quarantined_webhooks (account_sid, received_at, id);

-- How far the comparison with Twilio's list of messages has come. Global, like the credentials: one
-- for each account, whoever it serves. gateway_worker's alone.
CREATE TABLE account_catch_ups (
    account_sid text PRIMARY KEY REFERENCES account_credentials ON DELETE CASCADE,
    -- The end of the last full comparison; NULL before the first.
    finished_at timestamptz,
    -- Where to go on, a page of Twilio's list; '' to begin anew.
    resume_uri text NOT NULL DEFAULT '',
    -- When it was last worked on.
    tried_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT, INSERT, UPDATE, DELETE ON account_catch_ups TO gateway_worker;
