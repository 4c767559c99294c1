UPDATE partition_lifecycle.restored SET finished_at = pg_catalog.clock_timestamp()
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND relation_oid = %(oid)s::oid
   AND parent = %(parent)s
