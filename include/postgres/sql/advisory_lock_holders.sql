-- Whoever has the advisory lock; a row without a session if it has just been let go, so that it is tried once more.
SELECT coalesce(a.pid, 0) AS pid, coalesce(a.usename, '') AS user, coalesce(a.application_name, '') AS application,
       coalesce(a.state, 'gone') AS state,
       coalesce(pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start)::text, '-') AS age,
       coalesce(pg_catalog.left(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g'), 100), '') AS query,
       'the maintenance lock' AS modes
  FROM (SELECT pg_catalog.hashtextextended('partition_lifecycle ' || %(oid)s::text, 0) AS key) k
  LEFT JOIN pg_catalog.pg_locks l
         ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.classid::bigint = ((k.key >> 32) & 4294967295) AND l.objid::bigint = (k.key & 4294967295)
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 LIMIT 1
