-- The same archive twice is one row; one that was only found before may be verified now.
INSERT INTO partition_lifecycle.archive
       (archive_id, system_identifier, database_oid, parent_oid, parent, partition_oid, partition, lower_bound, upper_bound,
        shape_digest, path, manifest_sha256, rows, bytes, snapshot_xmin, proof, manifest, snapshot_taken_at, verified_at)
VALUES (%(archive_id)s, %(system_identifier)s, %(database_oid)s::oid, %(parent_oid)s::oid, %(parent)s, %(partition_oid)s::oid, %(partition)s,
        %(lower_bound)s, %(upper_bound)s, %(shape_digest)s, %(path)s, %(manifest_sha256)s, %(rows)s, %(bytes)s, %(snapshot_xmin)s, %(proof)s,
        %(manifest)s, %(snapshot_taken_at)s, CASE WHEN %(verified)s THEN pg_catalog.clock_timestamp() END)
ON CONFLICT (archive_id) DO UPDATE
   SET verified_at = coalesce(archive.verified_at, excluded.verified_at), path = excluded.path, manifest_sha256 = excluded.manifest_sha256,
       manifest = excluded.manifest
