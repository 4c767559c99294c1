-- The zone that a session of this role has in this database by itself, before we set ours.
SELECT reset_val AS zone FROM pg_catalog.pg_settings WHERE name = 'TimeZone'
