-- Constraints that the columns do not carry, then indexes that no constraint owns, each without the table's name. Foreign keys last.
SELECT CASE k.contype WHEN 'f' THEN 'foreign key' ELSE 'constraint' END AS sort, k.conname AS name, pg_catalog.pg_get_constraintdef(k.oid) AS definition,
       CASE k.contype WHEN 'f' THEN 3 ELSE 1 END AS place
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = %(oid)s::oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
UNION ALL
SELECT CASE WHEN i.indisunique THEN 'unique index' ELSE 'index' END, ic.relname,
       pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), 1 + pg_catalog.length(head.text)), 2
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (  -- measured, not searched for, because an index's name may read like SQL
         SELECT 'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || pg_catalog.format('INDEX %%I ON ', ic.relname)
             || CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END || pg_catalog.format('%%I.%%I ', n.nspname, c.relname)) head (text)
 WHERE i.indrelid = %(oid)s::oid AND i.indisvalid
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
 ORDER BY place, name
