-- Indexes that we began to rebuild or to build: the relation that they are on, and their names.
SELECT DISTINCT action, partition_oid::bigint AS oid, detail AS index
  FROM partition_lifecycle.event
 WHERE parent = %(parent)s AND action IN ('reindex', 'index') AND outcome = 'began' AND partition_oid IS NOT NULL
