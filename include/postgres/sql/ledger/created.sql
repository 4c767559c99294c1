SELECT DISTINCT partition_oid::bigint AS oid, lower_bound, upper_bound
  FROM partition_lifecycle.event
 WHERE parent = %(parent)s AND action = 'create' AND outcome = 'done' AND partition_oid IS NOT NULL
