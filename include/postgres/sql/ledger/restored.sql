-- Tables that were, or are being, built from archives of this table, and still exist.
SELECT r.relation_oid::bigint AS oid, pg_catalog.format('%%s', r.archive_id) AS archive_id, r.mode, r.finished_at, n.nspname AS schema, c.relname AS name,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AS attached
  FROM partition_lifecycle.restored r
  JOIN pg_catalog.pg_class c ON c.oid = r.relation_oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE r.system_identifier = %(system_identifier)s AND r.database_oid = %(database_oid)s::oid AND r.parent = %(parent)s
