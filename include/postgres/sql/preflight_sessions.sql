-- Sessions of this database whose transaction is old: CONCURRENTLY statements and locks may have to wait for them.
SELECT a.pid, NULL AS prepared, CASE WHEN a.backend_xmin IS NOT NULL THEN 'holds a snapshot' ELSE 'holds no snapshot' END AS holds
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_type = 'client backend'
   AND a.xact_start < pg_catalog.clock_timestamp() - %(older_than)s::interval
