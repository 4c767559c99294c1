-- Who the sessions with these pids are, and the prepared transactions of these names, eldest first.
-- Roles without pg_read_all_stats do not see what sessions of others do: state, ages and query are NULL then.
SELECT a.pid, NULL AS prepared, a.backend_type AS kind, a.usename AS user, a.application_name AS application, a.state,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.xact_start) AS transaction_age,
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - a.query_start) AS query_age,
       CASE WHEN a.query_start IS NOT NULL OR a.state IS NOT NULL
            THEN pg_catalog.left(pg_catalog.btrim(pg_catalog.regexp_replace(a.query, '\s+', ' ', 'g')), 100) END AS query,
       NULL AS gid, a.xact_start AS since
  FROM pg_catalog.pg_stat_activity a
 WHERE a.pid = ANY(%(pids)s::integer[])
UNION ALL
SELECT NULL, p.gid, 'prepared transaction', p.owner, NULL, 'prepared',
       pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - p.prepared), NULL, NULL, p.gid, p.prepared
  FROM pg_catalog.pg_prepared_xacts p
 WHERE p.gid = ANY(%(prepared)s::text[])
ORDER BY since NULLS LAST
