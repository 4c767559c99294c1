-- With the name that each OID has today, if it still exists.
SELECT d.partition_oid::bigint AS oid, d.partition, d.lower_bound, d.upper_bound, d.columns_digest, d.detached_at, d.drop_after,
       n.nspname AS schema_today, c.relname AS name_today,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AS attached
  FROM partition_lifecycle.detached_partition d
  LEFT JOIN pg_catalog.pg_class c ON c.oid = d.partition_oid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND parent_oid = %(parent_oid)s::oid
   AND parent = %(parent)s AND dropped_at IS NULL
 ORDER BY lower_bound
