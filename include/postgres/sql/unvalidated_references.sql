-- Foreign keys that refer to the table and are not validated.
SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint, pg_catalog.pg_get_userbyid(c.relowner) AS owner
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.confrelid = %(oid)s::oid AND NOT k.convalidated AND k.conparentid = 0
 ORDER BY 1, 2, 3
