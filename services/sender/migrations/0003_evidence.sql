-- Why:  what became of unconfirmed sends is looked for in Twilio's list of messages; how far that
--       is, lives here, so that it goes on after a restart and wherever the shard goes. An opt-out
--       may reach no further than the number or Messaging Service that it was given to. A replica
--       that starts reads parley.consent from where all of them were, not seven days again.
-- Keys: consent_offsets belongs to the installation.
-- Lock: brief; constant defaults rewrite nothing. The two partial indexes hold unconfirmed rows
--       only; the one of requested_at is a BRIN, one reading of the table.

ALTER TABLE deliveries
ADD COLUMN look_journal bigint NOT NULL DEFAULT 0,
ADD COLUMN looks integer NOT NULL DEFAULT 0,
ADD COLUMN look_due_at timestamptz,
ADD COLUMN findings text NOT NULL DEFAULT '';
COMMENT ON COLUMN deliveries.look_journal IS
    'The journal entry that the other look columns speak of; of another one they say nothing.';
COMMENT ON COLUMN deliveries.look_due_at IS 'When it is looked for next; NULL: no more.';
COMMENT ON COLUMN deliveries.findings IS 'What was found so far, as domain/evidence.h writes it.';

-- What was never looked for is due a moment after it became unconfirmed.
CREATE INDEX deliveries_looks
ON deliveries ((CASE WHEN look_journal = journal THEN look_due_at ELSE changed_at END))
WHERE state = 'unconfirmed';
CREATE INDEX deliveries_unconfirmed_pair ON deliveries (lane_id, customer_number)
WHERE state = 'unconfirmed';
-- Who holds the SIDs of a time; a B-tree of SIDs would cost every send.
CREATE INDEX deliveries_requested ON deliveries USING brin (requested_at);

ALTER TABLE numbers ADD COLUMN consent_scope smallint NOT NULL DEFAULT 0;
COMMENT ON COLUMN numbers.consent_scope IS
    '0: an opt-out to any number of the organization counts. 1: only one to this number or its service.';
ALTER TABLE consents ADD COLUMN messaging_service_sid text NOT NULL DEFAULT '';

CREATE TABLE consent_offsets (
    partition integer PRIMARY KEY,
    next_offset bigint NOT NULL
);
COMMENT ON TABLE consent_offsets IS 'Everything of parley.consent below is in consents.';
GRANT SELECT, INSERT, UPDATE, DELETE ON consent_offsets TO sender_worker;
