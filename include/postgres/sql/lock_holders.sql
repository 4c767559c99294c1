-- Who holds locks on these relations now: the likely blockers of a statement that just gave way. OIDs are of this database; another one
-- may have the same. Parallel workers hold what their leader holds; a prepared transaction has no pid, and is known by its own lock.
SELECT coalesce(a.leader_pid, l.pid) AS pid, p.gid AS prepared,
       'holds ' || pg_catalog.string_agg(DISTINCT pg_catalog.format('%%s on %%s', l.mode, l.relation::regclass), ', ') AS holds
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_catalog.pg_locks x
         ON l.pid IS NULL AND x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
 WHERE l.locktype = 'relation' AND l.relation = ANY(%(oids)s::oid[]) AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
   AND (l.pid IS NOT NULL OR p.gid IS NOT NULL)
 GROUP BY 1, 2
