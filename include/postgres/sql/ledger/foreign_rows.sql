-- Undropped entries for a table of this name that is not this very table (restored from a dump, built anew), or for this table under
-- another name (renamed since).
SELECT count(*) AS rows
  FROM partition_lifecycle.detached_partition
 WHERE dropped_at IS NULL
   AND (parent = %(parent)s) <> ((system_identifier, database_oid, parent_oid) = (%(system_identifier)s, %(database_oid)s::oid, %(parent_oid)s::oid))
