-- The timeline as the names of WAL files have it: a checkpoint's lags behind a promotion.
SELECT h.system_identifier, h.database_oid::bigint AS database_oid, h.timeline,
       c.system_identifier AS current_system_identifier, d.oid::bigint AS current_database_oid,
       pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 8) AS current_timeline
  FROM partition_lifecycle.home h, pg_catalog.pg_control_system() c, pg_catalog.pg_database d
 WHERE d.datname = pg_catalog.current_database()
