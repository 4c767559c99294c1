-- A table that was attached again is a partition like any other: if somebody detaches it later, that is not our detach.
DELETE FROM partition_lifecycle.detached_partition d
 WHERE d.system_identifier = %(system_identifier)s AND d.database_oid = %(database_oid)s::oid AND d.parent_oid = %(parent_oid)s::oid
   AND d.parent = %(parent)s AND d.dropped_at IS NULL AND d.detached_at IS NOT NULL
   AND EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = d.partition_oid)
RETURNING d.partition
