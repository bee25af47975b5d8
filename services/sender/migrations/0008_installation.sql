-- Why:  after a restore the database may know less of who opted out than it did: the sender must
--       see that it is another database, and hold all sends until the gateway has told every
--       suppression again. `sender hold` does the same by hand.
-- Keys: one row, of the installation.
-- Lock: a new table only.

CREATE TABLE installation (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    system_identifier bigint NOT NULL,
    timeline_id integer NOT NULL,
    table_oid bigint NOT NULL,
    holds bigint NOT NULL DEFAULT 0,
    held_by text CHECK (held_by IN ('restore', 'operator')),
    held_since_us bigint NOT NULL DEFAULT 0,
    reason text NOT NULL DEFAULT '',
    lifts_from_us bigint,
    forced boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE installation IS 'Which database this was when a replica looked last, and whether sends are held.';
COMMENT ON COLUMN installation.table_oid IS
    'Of this table: a dump that is read back into the same server gives it another one.';
COMMENT ON COLUMN installation.holds IS 'Holds begun so far: the number of the present or last one.';
COMMENT ON COLUMN installation.held_by IS 'NULL: sends are not held.';
COMMENT ON COLUMN installation.held_since_us IS 'When the present or last hold began, µs since 1970.';
COMMENT ON COLUMN installation.lifts_from_us IS
    'A republication of all suppressions that began then or later lifts the hold. NULL: it waits for `sender release`.';
COMMENT ON COLUMN installation.forced IS 'The last hold was lifted by hand, without a republication.';
GRANT SELECT, INSERT, UPDATE ON installation TO sender_worker;
