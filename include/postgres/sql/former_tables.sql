-- Old tables that were replaced: the schemas they are kept in, with what was written down about them.
SELECT n.nspname AS schema, pg_catalog.obj_description(n.oid, 'pg_namespace') AS comment, c.oid::bigint AS oid, c.relname AS name, c.relkind::text AS kind,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner
  FROM pg_catalog.pg_namespace n
  LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND pg_catalog.format('%%s%%s', %(prefix)s::text, c.oid) = n.nspname
 WHERE pg_catalog.starts_with(n.nspname, %(prefix)s::text)
 ORDER BY 1
