-- Who has the advisory lock. Its number is one of this database; another one may have the same.
SELECT l.pid, NULL AS prepared, 'has the lock' AS holds
  FROM (SELECT pg_catalog.hashtextextended('partition_lifecycle ' || %(oid)s::text, 0) AS key) k
  JOIN pg_catalog.pg_locks l
    ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.classid::bigint = ((k.key >> 32) & 4294967295) AND l.objid::bigint = (k.key & 4294967295)
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
