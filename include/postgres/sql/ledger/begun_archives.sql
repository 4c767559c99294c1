-- Where archives of a relation were begun; `finished` ones are in the ledger and must not be taken for what an interruption left.
SELECT DISTINCT e.detail, EXISTS (SELECT FROM partition_lifecycle.archive a WHERE a.path = e.detail) AS finished
  FROM partition_lifecycle.event e
 WHERE e.parent = %(parent)s AND e.partition_oid = %(oid)s::oid AND e.action = 'archive' AND e.outcome = 'began'
