-- The new partition's counterpart of the index that is the model's replica identity: the same definition behind both names. What stands
-- before is measured, not searched for, because a name may read like SQL.
WITH unique_index AS (
  SELECT i.indexrelid, i.indrelid, i.indisreplident, ic.relname,
         pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), 1 + pg_catalog.length(
           pg_catalog.format('CREATE UNIQUE INDEX %%I ON %%s%%I.%%I ', ic.relname, CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END, n.nspname, c.relname))) AS definition
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
    JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE i.indrelid IN (%(oid)s::oid, %(model)s::oid) AND i.indisunique
)
SELECT own.relname AS name
  FROM unique_index model
  JOIN unique_index own ON own.indrelid = %(oid)s::oid AND own.definition = model.definition
 WHERE model.indrelid = %(model)s::oid AND model.indisreplident
 ORDER BY own.indexrelid
 LIMIT 1
