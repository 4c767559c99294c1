-- What a new partition copies from the newest of its siblings, or from the parent where there is none yet.
SELECT CASE WHEN c.relkind = 'r' THEN am.amname END AS access_method,
       ts.spcname AS tablespace,
       c.relpersistence = 'u' AS unlogged,
       c.relkind = 'r' AND c.relrowsecurity AS row_security,
       c.relkind = 'r' AND c.relforcerowsecurity AS force_row_security,
       coalesce(c.reloptions, '{}') AS options,
       coalesce(toast.reloptions, '{}') AS toast_options,
       c.relreplident::text AS replica_identity
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
 WHERE c.oid = %(oid)s::oid
