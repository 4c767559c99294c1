SELECT DISTINCT detail
  FROM partition_lifecycle.event
 WHERE parent = %(parent)s AND partition_oid = %(oid)s::oid AND action = 'archive' AND outcome = 'began'
