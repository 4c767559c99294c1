-- Comments on a table and on everything that it is made of.
WITH described AS (
  SELECT 'table' AS sort, c.relname AS name, 'pg_catalog.pg_class'::pg_catalog.regclass AS class, c.oid AS object, 0 AS part FROM pg_catalog.pg_class c WHERE c.oid = %(oid)s::oid
  UNION ALL
  SELECT 'column', a.attname, 'pg_catalog.pg_class'::pg_catalog.regclass, a.attrelid, a.attnum FROM pg_catalog.pg_attribute a WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION ALL
  SELECT CASE WHEN k.contype IN ('p', 'u', 'x') THEN 'key' WHEN k.contype = 'f' THEN 'foreign key' ELSE 'constraint' END,
         k.conname, 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid, 0 FROM pg_catalog.pg_constraint k WHERE k.conrelid = %(oid)s::oid AND k.contype <> 't'
  UNION ALL
  SELECT 'index', ic.relname, 'pg_catalog.pg_class'::pg_catalog.regclass, ic.oid, 0
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid WHERE i.indrelid = %(oid)s::oid AND i.indisvalid
  UNION ALL
  SELECT 'trigger', t.tgname, 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, 0 FROM pg_catalog.pg_trigger t WHERE t.tgrelid = %(oid)s::oid AND NOT t.tgisinternal
  UNION ALL
  SELECT 'policy', p.polname, 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, 0 FROM pg_catalog.pg_policy p WHERE p.polrelid = %(oid)s::oid
  UNION ALL
  SELECT 'statistics', x.stxname, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, x.oid, 0 FROM pg_catalog.pg_statistic_ext x WHERE x.stxrelid = %(oid)s::oid
  UNION ALL
  SELECT 'sequence', s.relname, 'pg_catalog.pg_class'::pg_catalog.regclass, s.oid, 0
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     AND d.refobjid = %(oid)s::oid AND d.deptype = 'i'
)
SELECT d.sort, d.name, e.description AS text
  FROM described d
  JOIN pg_catalog.pg_description e ON e.classoid = d.class AND e.objoid = d.object AND e.objsubid = d.part
 ORDER BY 1, 2
