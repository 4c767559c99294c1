INSERT INTO partition_lifecycle.archive
       (archive_id, system_identifier, database_oid, parent_oid, parent, partition_oid, partition, lower_bound, upper_bound,
        shape_digest, path, manifest_sha256, rows, bytes, snapshot_xmin)
VALUES (%(archive_id)s, %(system_identifier)s, %(database_oid)s, %(parent_oid)s, %(parent)s, %(oid)s, %(partition)s, %(lower)s, %(upper)s,
        %(shape_digest)s, %(path)s, %(manifest_sha256)s, %(rows)s, %(bytes)s, %(snapshot_xmin)s)
ON CONFLICT (archive_id) DO NOTHING
