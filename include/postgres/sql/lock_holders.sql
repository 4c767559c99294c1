-- Who holds locks on these relations now: the likely blockers of a statement that just gave way.
SELECT a.pid, a.usename AS user, a.application_name AS application, a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text AS age,
       pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 100) AS query,
       pg_catalog.string_agg(DISTINCT l.mode, ', ') AS modes
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.relation = ANY(%(oids)s::oid[]) AND l.granted AND a.pid <> pg_catalog.pg_backend_pid()
 GROUP BY a.pid, a.usename, a.application_name, a.state, a.xact_start, a.query
 ORDER BY a.xact_start
 LIMIT 5
