-- Where pg_partman's configuration is, with or without the extension; the extension's own comes first.
SELECT n.nspname AS schema, e.extversion AS version
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.objsubid = 0 AND d.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 WHERE c.relname = 'part_config' AND c.relkind = 'r'
   AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'automatic_maintenance')
 ORDER BY e.extversion IS NULL, c.oid
 LIMIT 1
