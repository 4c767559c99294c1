-- Transactions of this database that hold a snapshot now, each with the name that only this transaction ever has. What pg_locks and
-- backend_xmin say can be seen without any privilege.
SELECT l.virtualtransaction AS transaction, a.pid, NULL AS prepared, 'holds a snapshot' AS holds
  FROM pg_catalog.pg_stat_activity a
  JOIN pg_catalog.pg_locks l ON l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted AND l.virtualxid = l.virtualtransaction
 WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid() AND a.backend_xmin IS NOT NULL
   AND a.backend_type IS DISTINCT FROM 'autovacuum worker'
