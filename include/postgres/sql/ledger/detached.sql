SELECT partition_oid::bigint AS oid, partition, lower_bound, upper_bound, columns_digest, detached_at, drop_after
  FROM partition_lifecycle.detached_partition
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND parent_oid = %(parent_oid)s::oid
   AND parent = %(parent)s AND dropped_at IS NULL
 ORDER BY lower_bound
