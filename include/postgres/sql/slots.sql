-- Replication slots and how much WAL each keeps; those of other databases too, because they fill the same disk.
SELECT s.slot_name AS name, s.slot_type AS kind, s.active, s.wal_status, s.database = pg_catalog.current_database() AS here,
       coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn), 0)::bigint AS bytes
  FROM pg_catalog.pg_replication_slots s
 WHERE NOT s.temporary
 ORDER BY 1
