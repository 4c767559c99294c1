-- Whom REINDEX CONCURRENTLY would wait for after it has built: other sessions of this database with a snapshot, and whoever has used the
-- table, prepared transactions included. As the server does, autovacuum and VACUUM are left out, and other CONCURRENTLY builds of an index
-- without expressions or predicate. Neither replication slots nor a standby's feedback count: their snapshots are of no database.
-- `mark` stays the same for as long as it is the same snapshot, or the same transaction of a user of the table.
-- A prepared transaction has no backend, and its virtual transaction is still its last session's, or -1 after a restart: its transaction ID tells.
SELECT u.pid,
       CASE WHEN u.pid IS NULL THEN
                 (SELECT p.gid
                    FROM pg_catalog.pg_prepared_xacts p
                    JOIN pg_catalog.pg_locks t ON t.locktype = 'transactionid' AND t.transactionid = p.transaction
                   WHERE t.pid IS NULL AND t.virtualtransaction = u.transaction
                   LIMIT 1)
       END AS prepared,
       CASE WHEN u.uses THEN 'has used the table' ELSE 'has an older snapshot' END AS holds,
       CASE WHEN u.uses THEN u.transaction ELSE u.transaction || ' ' || a.backend_xmin::text END AS mark
  FROM (SELECT l.virtualtransaction AS transaction, l.pid,
               pg_catalog.bool_or(l.locktype = 'relation' AND l.relation = %(oid)s::oid
                                  AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) AS uses
          FROM pg_catalog.pg_locks l
         WHERE l.granted AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
         GROUP BY l.virtualtransaction, l.pid) u
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = u.pid
 WHERE (u.uses OR (a.datname = pg_catalog.current_database() AND a.backend_xmin IS NOT NULL))
   AND (u.pid IS NULL OR a.usesysid IS NOT NULL)  -- autovacuum has no user
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_vacuum v WHERE v.pid = u.pid)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index b JOIN pg_catalog.pg_index i ON i.indexrelid = b.index_relid
                    WHERE b.pid = u.pid AND NOT u.uses AND b.command LIKE '%%CONCURRENTLY' AND i.indexprs IS NULL AND i.indpred IS NULL)
