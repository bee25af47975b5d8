-- Why:  a number must not stand still when another replica takes it over: who gives it away says
--       for how long it is busy.
-- Keys: of the installation, as lanes are.
-- Lock: brief; a new column without a default rewrites nothing.

ALTER TABLE lanes ADD COLUMN busy_us bigint;
COMMENT ON COLUMN lanes.busy_us IS
    'Set when the lane is given away: for so long it may not be written to. NULL while it is used.';
