-- Why:  WhatsApp's sandbox number was claimed by the first organization that a text came in for, and
--       the others' webhooks were refused; what has expired, and what is unconfirmed, was looked for
--       without an index.
-- Keys: the new ones are partial or of small tables; none is of the hot path.
-- Lock: writes to the tables of the indexes wait until these are built, seconds at most.

DO $$
DECLARE
    claim record;
    id text;
    next_version bigint;
    rest bigint;
    field bytea;
BEGIN
    FOR claim IN
        DELETE FROM number_claims WHERE number = '+14155238886' RETURNING account_sid, number
    LOOP
        id := 'number/' || claim.account_sid || '/' || claim.number;
        SELECT greatest(d.version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
        INTO next_version
        FROM directory_records d
        WHERE d.record_id = id
        FOR UPDATE;
        CONTINUE WHEN next_version IS NULL;
        -- parley.events.v1.DirectoryRecord: protobuf merges what is appended, here
        -- {version: …, number: {removed: true}}.
        field := '\x08'::bytea;
        rest := next_version;
        WHILE rest >= 128 LOOP
            field := field || set_byte('\x00'::bytea, 0, (rest % 128)::int + 128);
            rest := rest / 128;
        END LOOP;
        field := field || set_byte('\x00'::bytea, 0, rest::int) || '\x5a021801'::bytea;
        UPDATE directory_records d SET version = next_version, value = d.value || field
        WHERE d.record_id = id;
    END LOOP;
END $$;

-- What the relay sweeps.
CREATE INDEX early_statuses_age ON early_statuses (at);
CREATE INDEX early_recordings_age ON early_recordings (at);
CREATE INDEX message_attempts_unknown ON message_attempts (created_at) WHERE message_id IS NULL;

-- The oldest unconfirmed message of all organizations, and those that a policy may send again.
CREATE INDEX messages_unconfirmed_age ON messages (unconfirmed_at)
    WHERE unconfirmed_at IS NOT NULL;
CREATE INDEX messages_refuted ON messages (unconfirmed_at)
    WHERE unconfirmed_at IS NOT NULL AND refuted;
