-- The sessions that a backend is waiting for now.
SELECT a.pid, a.usename AS user, a.application_name AS application, a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text AS age,
       pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 100) AS query,
       'holds it up' AS modes
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(%(pid)s))
 ORDER BY a.xact_start
