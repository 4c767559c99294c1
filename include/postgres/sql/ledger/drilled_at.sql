-- Of archives of this very database: a ledger that came with a dump tells of drills elsewhere.
SELECT max(drilled_at) AS moment
  FROM partition_lifecycle.archive
 WHERE parent = %(parent)s AND system_identifier = %(system_identifier)s AND database_oid = %(database_oid)s::oid
