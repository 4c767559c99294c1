SELECT p.gid, p.owner, pg_catalog.format('%s', pg_catalog.date_trunc('second', pg_catalog.clock_timestamp() - p.prepared)) AS age
  FROM pg_catalog.pg_prepared_xacts p
 WHERE p.database = pg_catalog.current_database()
 ORDER BY p.prepared
