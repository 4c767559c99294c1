-- When and how much each relation has changed since its statistics were taken; reltuples -1: never.
SELECT c.oid::bigint AS oid, c.reltuples < 0 AS never, coalesce(pg_catalog.pg_stat_get_mod_since_analyze(c.oid), 0) AS changes,
       greatest(pg_catalog.pg_stat_get_last_analyze_time(c.oid), pg_catalog.pg_stat_get_last_autoanalyze_time(c.oid)) AS analyzed_at
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY(%(oids)s::oid[])
