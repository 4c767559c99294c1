-- An anti-wraparound vacuum, unlike others, does not give way to whoever waits for its lock (manual 24.1.6).
SELECT DISTINCT a.pid, n.nspname AS schema, c.relname AS name,
       pg_catalog.format('%%s', pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)) AS age
  FROM pg_catalog.pg_stat_activity a
  JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'relation' AND l.mode = 'ShareUpdateExclusiveLock' AND l.granted
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
  JOIN pg_catalog.pg_class c ON l.relation IN (c.oid, c.reltoastrelid)
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE a.backend_type = 'autovacuum worker' AND a.query LIKE '%%(to prevent wraparound)' AND c.oid = ANY(%(oids)s::oid[])
