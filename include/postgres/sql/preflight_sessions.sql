-- Sessions of this database whose transaction is old: CONCURRENTLY statements and locks may have to wait for them.
SELECT a.pid, a.usename AS user, a.application_name AS application, a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text AS age,
       pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 100) AS query,
       CASE WHEN a.backend_xmin IS NOT NULL THEN 'holds a snapshot' ELSE 'holds no snapshot' END AS modes
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend'
   AND a.xact_start < pg_catalog.clock_timestamp() - %(older_than)s::interval
 ORDER BY a.xact_start
