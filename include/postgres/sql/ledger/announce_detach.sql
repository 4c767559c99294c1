INSERT INTO partition_lifecycle.detached_partition
       (system_identifier, database_oid, partition_oid, partition, parent_oid, parent, lower_bound, upper_bound, columns_digest)
VALUES (%(system_identifier)s, %(database_oid)s, %(oid)s, %(partition)s, %(parent_oid)s, %(parent)s, %(lower)s, %(upper)s, %(columns_digest)s)
ON CONFLICT (system_identifier, database_oid, partition_oid) DO UPDATE
   SET partition = EXCLUDED.partition, parent_oid = EXCLUDED.parent_oid, parent = EXCLUDED.parent, lower_bound = EXCLUDED.lower_bound,
       upper_bound = EXCLUDED.upper_bound, columns_digest = EXCLUDED.columns_digest, announced_at = pg_catalog.clock_timestamp(),
       detached_at = NULL, drop_after = NULL, dropped_at = NULL
