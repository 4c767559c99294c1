-- Bytes on disk, indexes and TOAST included: a stat() of each file, no scan.
SELECT c.oid::bigint AS oid, pg_catalog.pg_total_relation_size(c.oid) AS bytes
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY(%(oids)s::oid[])
