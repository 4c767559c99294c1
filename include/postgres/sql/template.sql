-- What a new partition copies from its model: the newest of its siblings, or the parent where there is none yet.
-- Tablespace and access method are what the parent says of partitions to come, if it says so (manual, ALTER TABLE, SET TABLESPACE).
SELECT coalesce(parent_am.amname, am.amname) AS access_method,
       coalesce(parent_ts.spcname, ts.spcname) AS tablespace,
       c.relpersistence = 'u' AS unlogged,
       c.relkind = 'r' AND c.relrowsecurity AS row_security,
       c.relkind = 'r' AND c.relforcerowsecurity AS force_row_security,
       coalesce(c.reloptions, '{}') AS options,
       coalesce(toast.reloptions, '{}') AS toast_options,
       c.relreplident::text AS replica_identity,
       EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = parent.oid AND k.contype = 'x') AS parent_excludes
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_class parent ON parent.oid = %(parent)s::oid
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_am parent_am ON parent_am.oid = parent.relam
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_tablespace parent_ts ON parent_ts.oid = parent.reltablespace
  LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
 WHERE c.oid = %(model)s::oid
