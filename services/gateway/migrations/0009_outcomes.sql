-- Why:  a send that the sender accepted and then lost (its database was restored, the command went to
--       the dead letters) stayed queued for ever; a cancel was forgotten when the send expired
--       meanwhile and was planned again; an erased text came back by the Idempotency-Key of the
--       request that had made it.
-- Keys: idempotency_keys(organization_id, message_id), partial: only answers that show a message.
-- Lock: brief; constant defaults rewrite nothing. The UPDATE reads `messages` once, which is small
--       before the first release.

ALTER TABLE messages
    -- The sender has its command. `emit_again_at` is then when its outcome is missed; `accepted` is
    -- in no index, so that setting it costs none of them anything.
    ADD COLUMN accepted boolean NOT NULL DEFAULT false,
    -- Since when somebody wants it canceled that had left for the sender.
    ADD COLUMN cancel_asked_at timestamptz;

-- Row policies are forced, and name the roles.
SET LOCAL ROLE gateway_worker;
UPDATE messages SET accepted = true, emit_again_at = not_after + interval '1 hour'
    WHERE direction = 'outbound' AND status IN ('queued', 'sending') AND emit_again_at IS NULL;
RESET ROLE;

-- The message that the response shows; NULL if it shows none. An empty response is answered with the
-- message as it is then: it was erased.
ALTER TABLE idempotency_keys ADD COLUMN message_id uuid;
CREATE INDEX idempotency_keys_message ON idempotency_keys (organization_id, message_id)
    WHERE message_id IS NOT NULL;
