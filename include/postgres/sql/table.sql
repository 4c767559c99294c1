-- The partitioned table and its key. Columns come from pg_attribute: information_schema leaves out
-- what the role may not read.
SELECT c.oid::bigint AS oid,
       c.relkind::text AS kind,
       p.partstrat::text AS strategy,
       p.partnatts AS key_columns,
       p.partattrs[0] = 0 AS key_is_expression,
       a.attname AS key,
       pg_catalog.format_type(a.atttypid, NULL) AS key_type,
       pg_catalog.pg_get_userbyid(c.relowner) AS owner,
       (SELECT system_identifier FROM pg_catalog.pg_control_system()) AS system_identifier,
       (SELECT d.oid::bigint FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AS database_oid,
       (SELECT o.nspname
          FROM pg_catalog.pg_class k
          JOIN pg_catalog.pg_namespace o ON o.oid = k.relnamespace
         WHERE k.relname = 'part_config' AND k.relkind = 'r'
           AND EXISTS (SELECT FROM pg_catalog.pg_attribute m WHERE m.attrelid = k.oid AND m.attname = 'automatic_maintenance')
         ORDER BY NOT EXISTS (SELECT FROM pg_catalog.pg_depend x  -- the extension's own before a copy that somebody made
                               WHERE x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND x.objid = k.oid AND x.deptype = 'e'), k.oid
         LIMIT 1) AS partman_schema
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = c.oid
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0] AND a.attnum > 0
 WHERE n.nspname = %(schema)s AND c.relname = %(name)s
