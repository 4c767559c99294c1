-- Objects that the sibling has by itself, that is, not by way of the parent. Each definition comes as the
-- server prints it, split where the sibling's own name stands, so that a new partition's name can take its place.
WITH sibling AS (
  SELECT c.oid, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS qualified, n.nspname, c.relname
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = %(oid)s::oid
), own_index AS (
  SELECT 'index' AS sort, ic.relname AS name, i.indisunique AS is_unique, pg_catalog.pg_get_indexdef(i.indexrelid) AS definition,
         'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || pg_catalog.quote_ident(ic.relname)
           || ' ON ' || s.qualified AS head, '' AS tail, '' AS fires
    FROM sibling s
    JOIN pg_catalog.pg_index i ON i.indrelid = s.oid AND i.indisvalid
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
   WHERE NOT ic.relispartition
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = s.oid AND k.contype IN ('p', 'u', 'x'))
), own_constraint AS (
  SELECT 'constraint', k.conname, false, pg_catalog.pg_get_constraintdef(k.oid), '', '', ''
    FROM sibling s
    JOIN pg_catalog.pg_constraint k ON k.conrelid = s.oid AND k.contype IN ('p', 'u', 'x') AND k.conparentid = 0
), own_trigger AS (
  SELECT 'trigger', t.tgname, false, pg_catalog.pg_get_triggerdef(t.oid), '', ' ON ' || s.qualified || ' ', t.tgenabled::text
    FROM sibling s
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = s.oid AND NOT t.tgisinternal AND t.tgparentid = 0
), own_statistics AS (
  SELECT 'statistics', x.stxname, false, pg_catalog.pg_get_statisticsobjdef(x.oid),
         'CREATE STATISTICS ' || pg_catalog.quote_ident(xn.nspname) || '.' || pg_catalog.quote_ident(x.stxname), ' FROM ' || s.qualified, ''
    FROM sibling s
    JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = s.oid
    JOIN pg_catalog.pg_namespace xn ON xn.oid = x.stxnamespace
   WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_statistic_ext p  -- LIKE copies the parent's own
                      WHERE p.stxrelid = %(parent)s::oid AND p.stxkind = x.stxkind
                        AND pg_catalog.pg_get_statisticsobjdef_expressions(p.oid) IS NOT DISTINCT FROM pg_catalog.pg_get_statisticsobjdef_expressions(x.oid)
                        AND ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = p.stxrelid AND a.attnum = ANY(p.stxkeys) ORDER BY 1)
                          = ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.stxrelid AND a.attnum = ANY(x.stxkeys) ORDER BY 1))
)
SELECT * FROM own_index
UNION ALL SELECT * FROM own_constraint
UNION ALL SELECT * FROM own_trigger
UNION ALL SELECT * FROM own_statistics
ORDER BY 1, 2
