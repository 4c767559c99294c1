UPDATE partition_lifecycle.detached_partition
   SET dropped_at = pg_catalog.clock_timestamp()
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND partition_oid = %(oid)s::oid
