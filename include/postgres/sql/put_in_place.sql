-- The building schema of a reshaping whose new table is this one, and that is not cleared away yet.
SELECT n.nspname AS schema
  FROM pg_catalog.pg_namespace n
 WHERE pg_catalog.starts_with(n.nspname, %(prefix)s) AND pg_catalog.obj_description(n.oid, 'pg_namespace') = %(comment)s
