-- The newest archive of each partition of this table, wherever it was made: what can be restored.
SELECT DISTINCT ON (partition)
       archive_id::text AS archive_id, path, manifest_sha256, rows, bytes, snapshot_xmin, shape_digest, proof, manifest, snapshot_taken_at, verified_at,
       partition, lower_bound, upper_bound,
       (SELECT max(e.happened_at) FROM partition_lifecycle.event e
         WHERE e.action = 'drill' AND e.outcome = 'done' AND e.parent = a.parent AND e.partition = a.partition) AS drilled_at
  FROM partition_lifecycle.archive a
 WHERE parent = %(parent)s AND manifest IS NOT NULL
 ORDER BY partition, snapshot_taken_at DESC
