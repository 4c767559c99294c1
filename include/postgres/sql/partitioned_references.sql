-- Partitioned tables to which this table has foreign keys.
SELECT DISTINCT n.nspname AS schema, c.relname AS name
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'f' AND con.conparentid = 0 AND c.relkind = 'p'
 ORDER BY n.nspname, c.relname
