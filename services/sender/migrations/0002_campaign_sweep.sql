-- Why:  what a campaign's state changes is looked for only while it may have changed, and
--       unconfirmed rows are counted without reading the others.
-- Lock: brief; constant defaults rewrite nothing, and the table of deliveries is still small.

ALTER TABLE campaigns
ADD COLUMN pending boolean NOT NULL DEFAULT true,
ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
COMMENT ON COLUMN campaigns.pending IS 'Rows may still have to follow its state.';
CREATE INDEX campaigns_pending ON campaigns (state) WHERE pending;

CREATE INDEX deliveries_unconfirmed ON deliveries (changed_at) WHERE state = 'unconfirmed';
