SELECT partition_oid::bigint AS oid, held_until, reason
  FROM partition_lifecycle.hold
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid
   AND (held_until IS NULL OR held_until > pg_catalog.clock_timestamp())
