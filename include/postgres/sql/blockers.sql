-- Who holds what a backend is waiting for now. A prepared transaction has no backend: pg_blocking_pids says 0 for it (manual, 9.27), and
-- pg_locks has it without a pid. It is found by what it holds, and known by its transaction's own lock.
WITH waited AS (
  SELECT l.locktype, l.mode, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid
    FROM pg_catalog.pg_locks l
   WHERE l.pid = %(pid)s AND NOT l.granted
), said AS (
  SELECT CASE WHEN w.locktype = 'relation' THEN pg_catalog.format('in the way of %%s on %%s', w.mode, w.relation::regclass)
              WHEN w.locktype IN ('virtualxid', 'transactionid') THEN 'its transaction must end first'
              ELSE 'holds it up' END AS holds
    FROM waited w
)
SELECT DISTINCT b.pid, NULL AS prepared, said.holds
  FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids(%(pid)s)) AS b (pid), said
 WHERE b.pid <> 0
UNION
SELECT NULL, p.gid, said.holds
  FROM said, waited w
  JOIN pg_catalog.pg_locks h
    ON h.granted AND h.pid IS NULL
   AND (h.locktype, h.database, h.relation, h.page, h.tuple, h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid)
       IS NOT DISTINCT FROM
       (w.locktype, w.database, w.relation, w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid)
  JOIN pg_catalog.pg_locks x ON x.pid IS NULL AND x.locktype = 'transactionid' AND x.virtualtransaction = h.virtualtransaction
  JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = x.transactionid
