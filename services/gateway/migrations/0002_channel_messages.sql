-- Why:  existing chat clients list the newest messages of a whole channel, and a changed contact
--       changes its conversations; neither had an index.
-- Lock: brief; the tables are small before the first release.
CREATE INDEX messages_channel ON messages (organization_id, channel_id, received_at DESC, id DESC);
CREATE INDEX conversations_contact ON conversations (organization_id, contact_id)
    WHERE contact_id IS NOT NULL;
