-- Invalid indexes on these tables or on their TOAST tables with the names that an interrupted REINDEX CONCURRENTLY leaves behind
-- (manual, REINDEX), and whether somebody is building on that table at this moment.
SELECT t.oid::bigint AS table_oid, n.nspname AS schema, ic.relname AS name, t.oid <> i.indrelid AS on_toast,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.relid IN (t.oid, t.reltoastrelid)) AS being_built
  FROM pg_catalog.pg_class t
  JOIN pg_catalog.pg_index i ON i.indrelid IN (t.oid, t.reltoastrelid) AND NOT i.indisvalid
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace
 WHERE t.oid = ANY (%(oids)s::oid[]) AND ic.relname ~ '_cc(new|old)[0-9]*$'
 ORDER BY ic.relname
