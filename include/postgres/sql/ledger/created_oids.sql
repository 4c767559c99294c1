SELECT DISTINCT partition_oid::bigint AS oid
  FROM partition_lifecycle.event
 WHERE parent = %(parent)s AND action = 'create' AND outcome = 'done' AND partition_oid IS NOT NULL
