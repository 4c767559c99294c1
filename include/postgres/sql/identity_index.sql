-- The new partition's counterpart of the index that is the model's replica identity: same definition behind USING.
SELECT own.relname AS name
  FROM pg_catalog.pg_index model
  JOIN pg_catalog.pg_index i ON i.indrelid = %(oid)s::oid AND i.indisunique
   AND pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', '')
     = pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(model.indexrelid), '^.*? USING ', '')
  JOIN pg_catalog.pg_class own ON own.oid = i.indexrelid
 WHERE model.indrelid = %(model)s::oid AND model.indisreplident
 LIMIT 1
