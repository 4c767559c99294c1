-- Invalid indexes on these tables or on their TOAST tables. `of_rebuild`: with a name that an interrupted REINDEX CONCURRENTLY leaves behind
-- (manual, REINDEX). `being_built`: somebody is at work on it at this moment; the progress view hides the table from roles that may not look,
-- the locks are everybody's to see. `within_reach`: we may drop it even if it lies in pg_toast, where a table's owner may not.
WITH relation AS (
  SELECT c.oid AS table_oid, c.oid AS indexed FROM pg_catalog.pg_class c WHERE c.oid = ANY(%(oids)s::oid[])
  UNION ALL
  SELECT c.oid, c.reltoastrelid FROM pg_catalog.pg_class c WHERE c.oid = ANY(%(oids)s::oid[]) AND c.reltoastrelid <> 0
)
SELECT r.table_oid::bigint AS table_oid, n.nspname AS schema, ic.relname AS name, r.table_oid <> r.indexed AS on_toast,
       ic.relname ~ '_cc(new|old)[0-9]*$' AS of_rebuild,
       EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index p WHERE p.relid IN (r.table_oid, r.indexed))
       OR EXISTS (SELECT FROM pg_catalog.pg_locks l
                   WHERE l.relation = ic.oid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock' AND l.pid <> pg_catalog.pg_backend_pid()
                     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) AS being_built,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.pg_has_role(ic.relowner, 'USAGE') AS within_reach
  FROM relation r
  JOIN pg_catalog.pg_index i ON i.indrelid = r.indexed AND NOT i.indisvalid
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid AND ic.relkind = 'i'
  JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace
 ORDER BY r.table_oid, ic.relname
