SELECT max(dropped_at) AS moment
  FROM partition_lifecycle.detached_partition
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND parent_oid = %(parent_oid)s::oid
   AND partition = %(partition)s
