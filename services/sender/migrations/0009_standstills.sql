-- Why:  what a dead replica left in standstills is deleted by whoever comes first; the others pass
--       over rows that it holds, for which a role must be allowed to update them.
-- Keys: none changed.
-- Lock: none.

GRANT UPDATE ON standstills TO sender_worker;
