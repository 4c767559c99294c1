-- Views that read a table directly, as the server prints them while the name is still its own.
SELECT v.oid::bigint AS oid, n.nspname AS schema, v.relname AS name, pg_catalog.pg_get_userbyid(v.relowner)::text AS owner, coalesce(v.reloptions, '{}') AS options,
       pg_catalog.rtrim(pg_catalog.pg_get_viewdef(v.oid), ';') AS definition,
       pg_catalog.pg_has_role(session_user, v.relowner, %(become)s) AS may, pg_catalog.has_schema_privilege(v.relowner, n.oid, 'CREATE') AS may_create
  FROM pg_catalog.pg_class v
  JOIN pg_catalog.pg_namespace n ON n.oid = v.relnamespace
 WHERE v.relkind = 'v'
   AND EXISTS (SELECT FROM pg_catalog.pg_rewrite w
                 JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
                WHERE w.ev_class = v.oid AND w.rulename = '_RETURN'
                  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %(oid)s::oid)
 ORDER BY v.oid
