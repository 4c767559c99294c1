INSERT INTO partition_lifecycle.hold (system_identifier, database_oid, partition_oid, partition, held_until, reason)
VALUES (%(system_identifier)s, %(database_oid)s::oid, %(oid)s::oid, %(partition)s, %(held_until)s, %(reason)s)
ON CONFLICT (system_identifier, database_oid, partition_oid) DO UPDATE
   SET partition = excluded.partition, held_until = excluded.held_until, reason = excluded.reason, held_at = excluded.held_at
