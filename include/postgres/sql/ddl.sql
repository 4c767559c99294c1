-- Constraints that the columns do not carry, then indexes that no constraint owns, as the server prints them.
SELECT 1 AS place, k.conname AS name,
       pg_catalog.format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', k.conrelid::pg_catalog.regclass, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) AS statement
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = %(oid)s::oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
UNION ALL
SELECT 2, ic.relname, pg_catalog.pg_get_indexdef(i.indexrelid)
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
 WHERE i.indrelid = %(oid)s::oid AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
 ORDER BY 1, 2
