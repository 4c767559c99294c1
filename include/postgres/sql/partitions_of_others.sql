-- Partitions that belong to somebody else than their table does.
SELECT n.nspname AS schema, c.relname AS name, pg_catalog.pg_get_userbyid(c.relowner) AS owner
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class parent ON parent.oid = i.inhparent
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relowner <> parent.relowner
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent = %(parent)s::oid
 ORDER BY n.nspname, c.relname
