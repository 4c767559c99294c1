-- Keeps the first time, if it was noted before.
UPDATE partition_lifecycle.detached_partition
   SET detached_at = %(detached_at)s, drop_after = %(drop_after)s
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND partition_oid = %(oid)s::oid
   AND detached_at IS NULL
