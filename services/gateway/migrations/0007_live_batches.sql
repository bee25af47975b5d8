-- Why:  a batch of the projector wrote two rows of live_outbox for each message, which the relay
--       deleted again and wrote as two rows of live_events; behind a burst that took longer than
--       storing the messages. One row now holds what one transaction says to an organization. And
--       the projector updates conversations many times in place.
-- Lock: brief; the tables are small before the first release.

-- `data`: a line for each event, oldest first: its name, a space, and LiveEvent as JSON without
-- number and time.
ALTER TABLE live_outbox ADD COLUMN events int NOT NULL DEFAULT 1 CHECK (events > 0);
UPDATE live_outbox SET data = name || ' ' || data;
ALTER TABLE live_outbox DROP COLUMN name, ALTER COLUMN events DROP DEFAULT;

-- `number` is that of the row's last event.
ALTER TABLE live_events ADD COLUMN events int NOT NULL DEFAULT 1 CHECK (events > 0);
UPDATE live_events SET data = name || ' ' || data;
ALTER TABLE live_events DROP COLUMN name, ALTER COLUMN events DROP DEFAULT;

-- LZ4 takes a fraction of the default's time; a server that was built without it keeps the default.
DO $$
BEGIN
    ALTER TABLE live_outbox ALTER COLUMN data SET COMPRESSION lz4;
    ALTER TABLE live_events ALTER COLUMN data SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN
    NULL;
END $$;
