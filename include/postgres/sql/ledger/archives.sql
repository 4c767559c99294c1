-- Archives of this table that no later one replaces: what can be restored. A later one replaces an earlier if it is of the same relation, or of
-- one that was restored from the earlier: a table that merely has the same name holds other rows.
SELECT pg_catalog.format('%%s', archive_id) AS archive_id, path, manifest_sha256, rows, bytes, snapshot_xmin, shape_digest, proof, snapshot_taken_at, verified_at,
       partition, lower_bound, upper_bound, drill_tried_at
  FROM partition_lifecycle.archive a
 WHERE parent = %(parent)s AND manifest IS NOT NULL
   AND pg_catalog.concat(system_identifier, '/', database_oid) = ANY (%(databases)s)
   AND NOT EXISTS (SELECT FROM partition_lifecycle.archive b
                    WHERE b.parent = a.parent AND b.partition = a.partition AND b.snapshot_taken_at > a.snapshot_taken_at
                      AND (b.system_identifier, b.database_oid) = (a.system_identifier, a.database_oid)
                      AND (b.partition_oid = a.partition_oid
                           OR EXISTS (SELECT FROM partition_lifecycle.restored r WHERE r.relation_oid = b.partition_oid AND r.archive_id = a.archive_id)))
 ORDER BY lower_bound, snapshot_taken_at DESC
