-- Why:  once its pages are used again a BRIN index of old rows finds all of them; what is old is
--       looked for piece by piece instead.
-- Keys: none changed.
-- Lock: deliveries, for a moment.

DROP INDEX deliveries_retention;
