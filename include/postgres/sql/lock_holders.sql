-- Who holds locks on these relations now: the likely blockers of a statement that just gave way. OIDs are of this database; another one
-- may have the same. Parallel workers hold what their leader holds.
SELECT coalesce(a.leader_pid, l.pid) AS pid, CASE WHEN l.pid IS NULL THEN l.virtualtransaction END AS prepared,
       'holds ' || pg_catalog.string_agg(DISTINCT pg_catalog.format('%%s on %%s', l.mode, l.relation::regclass), ', ') AS holds
  FROM pg_catalog.pg_locks l
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.relation = ANY(%(oids)s::oid[]) AND l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
 GROUP BY 1, 2
