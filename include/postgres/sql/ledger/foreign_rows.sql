-- Undropped entries for a table of this name that is not this very table: the database was restored from a dump, or the table built anew.
SELECT count(*) AS rows
  FROM partition_lifecycle.detached_partition
 WHERE parent = %(parent)s AND dropped_at IS NULL
   AND (system_identifier, database_oid, parent_oid) <> (%(system_identifier)s, %(database_oid)s::oid, %(parent_oid)s::oid)
