-- Foreign keys that a detached table still has; each locks the table it points to when it goes.
SELECT con.conname AS name, n.nspname AS referenced_schema, c.relname AS referenced_name, con.confrelid::bigint AS referenced_oid
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'f' AND con.conparentid = 0
 ORDER BY con.conname
