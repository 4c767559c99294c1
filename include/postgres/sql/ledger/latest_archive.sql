-- The newest verified archive of exactly this partition: a ledger that came with a dump has other OIDs.
SELECT pg_catalog.format('%%s', archive_id) AS archive_id, path, manifest_sha256, rows, bytes, snapshot_xmin, shape_digest, proof, snapshot_taken_at, verified_at
  FROM partition_lifecycle.archive
 WHERE system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid AND parent_oid = %(parent_oid)s::oid
   AND partition_oid = %(oid)s::oid AND partition = %(partition)s AND lower_bound = %(lower)s AND upper_bound = %(upper)s
   AND verified_at IS NOT NULL
 ORDER BY verified_at DESC
 LIMIT 1
