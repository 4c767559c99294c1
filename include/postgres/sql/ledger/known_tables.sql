-- Tables that the ledger knows as detached or restored, whoever their parent is; `here`: in this very database.
SELECT d.partition_oid::bigint AS oid, d.partition AS name,
       d.system_identifier = %(system_identifier)s AND d.database_oid = %(database_oid)s::oid AS here
  FROM partition_lifecycle.detached_partition d
 WHERE d.dropped_at IS NULL
UNION ALL
SELECT r.relation_oid::bigint, r.relation, r.system_identifier = %(system_identifier)s AND r.database_oid = %(database_oid)s::oid
  FROM partition_lifecycle.restored r
