-- Why:  an operator stops an account or a number, and sees what else stands still and why.
-- Keys: both belong to the installation, as lanes do: an account may serve several organizations.
-- Lock: new tables only.

CREATE TABLE pauses (
    account_sid text NOT NULL,
    sender_number text NOT NULL,
    reason text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    paused_by text NOT NULL,
    PRIMARY KEY (account_sid, sender_number)
);
COMMENT ON TABLE pauses IS
    'What an operator stopped: nothing of it is sent. Each replica reads all of it every second.';
COMMENT ON COLUMN pauses.sender_number IS 'Empty: the whole account.';
GRANT SELECT, INSERT, UPDATE, DELETE ON pauses TO sender_worker;

CREATE TABLE standstills (
    replica text NOT NULL,
    account_sid text NOT NULL,
    sender_number text NOT NULL,
    state text NOT NULL CHECK (state IN ('open', 'half-open', 'waiting')),
    reason text NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz,
    PRIMARY KEY (replica, account_sid, sender_number)
);
COMMENT ON TABLE standstills IS
    'What Twilio''s answers stopped, as each replica knows it in its memory; for operators only.';
COMMENT ON COLUMN standstills.state IS
    'open, half-open: the account''s breaker. waiting: Twilio asked for a pause, or the number is at fault.';
COMMENT ON COLUMN standstills.until IS 'NULL: until a request succeeds.';
GRANT SELECT, INSERT, DELETE ON standstills TO sender_worker;
