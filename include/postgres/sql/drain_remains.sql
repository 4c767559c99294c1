-- What a drain of this table has left in the two schemas of its own, in an order in which it can be dropped.
SELECT 'table' AS sort, n.nspname AS schema, c.relname AS name, c.oid::bigint AS oid, pg_catalog.obj_description(c.oid, 'pg_class') AS comment, c.relkind::text AS kind
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (%(schemas)s) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
UNION ALL
SELECT 'function', n.nspname, p.proname, p.oid::bigint, NULL, 'f'
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname = ANY (%(schemas)s)
 ORDER BY sort, kind DESC, name
