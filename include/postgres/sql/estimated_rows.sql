-- The planner's estimate, without a scan; NULL before the first ANALYZE or VACUUM.
SELECT c.oid::bigint AS oid, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY(%(oids)s::oid[])
