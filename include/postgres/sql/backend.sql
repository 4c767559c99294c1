-- A session of this server.
SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE a.pid = %(pid)s
