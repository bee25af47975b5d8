-- Why:  the outcomes of a transaction are noted in one row until they are published, in place of a
--       mark on each delivery; and the index of what expires no longer suits the statements that
--       look for what is due, which then read all that waits.
-- Keys: publications belong to the installation: one holds outcomes of several organizations.
-- Lock: deliveries, while the index is made; the sender waits for it and goes on.

CREATE TABLE publications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_ids uuid[] NOT NULL,
    message_ids uuid[] NOT NULL,
    generations integer[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 2000,
    vacuum_truncate = off
);
COMMENT ON TABLE publications IS
    'Outcomes that were stored together; deleted once Kafka has acknowledged each.';
GRANT SELECT, INSERT, DELETE ON publications TO sender_worker;
GRANT USAGE ON SEQUENCE publications_id_seq TO sender_worker;

DROP INDEX deliveries_expiry;
CREATE INDEX deliveries_expiry ON deliveries (not_after)
WHERE state = 'queued' AND not_after > '-infinity';
