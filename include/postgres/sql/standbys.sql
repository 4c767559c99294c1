-- Standbys that are connected and how many bytes of WAL each has still to replay, the furthest behind first; none if the role may not see.
SELECT r.application_name AS application, r.client_addr::text AS address, r.state, r.sync_state,
       coalesce(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), r.replay_lsn), 0)::bigint AS bytes
  FROM pg_catalog.pg_stat_replication r
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical')
 ORDER BY bytes DESC, 1, 2
