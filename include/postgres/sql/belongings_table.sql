-- One table, with what it says of itself, and the privileges that its owner has taken from itself.
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       am.amname AS access_method, ts.spcname AS tablespace, c.relpersistence = 'u' AS unlogged,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS force_row_security, coalesce(c.reloptions, '{}') AS options,
       coalesce(toast.reloptions, '{}') AS toast_options, c.relreplident::text AS replica_identity,
       ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.connoinherit ORDER BY 1) AS own_not_nulls,
       CASE WHEN c.relacl IS NULL THEN '{}' ELSE
         ARRAY(SELECT g.privilege_type FROM pg_catalog.aclexplode(pg_catalog.acldefault('r', c.relowner)) g
               EXCEPT SELECT g.privilege_type FROM pg_catalog.aclexplode(c.relacl) g WHERE g.grantee = c.relowner ORDER BY 1) END AS owner_lacks
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
 WHERE c.oid = %(oid)s::oid
