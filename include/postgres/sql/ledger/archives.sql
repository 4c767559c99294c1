-- The newest archive of each partition of this table, wherever it was made: what can be restored. Verified ones go before ones that were
-- only found.
SELECT DISTINCT ON (partition)
       archive_id::text AS archive_id, path, manifest_sha256, rows, bytes, snapshot_xmin, shape_digest, proof, manifest, verified_at,
       partition, lower_bound, upper_bound,
       (SELECT max(e.happened_at) FROM partition_lifecycle.event e
         WHERE e.action = 'drill' AND e.outcome = 'done' AND e.parent = a.parent AND e.partition = a.partition) AS drilled_at
  FROM partition_lifecycle.archive a
 WHERE parent = %(parent)s AND manifest IS NOT NULL
 ORDER BY partition, snapshot_xmin DESC, recorded_at DESC
