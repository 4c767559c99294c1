-- Functions and procedures whose SQL-standard bodies hold on to a table by its OID.
SELECT p.oid::bigint AS oid, n.nspname AS schema, p.proname AS name, pg_catalog.pg_get_userbyid(p.proowner)::text AS owner, pg_catalog.pg_get_functiondef(p.oid) AS definition,
       pg_catalog.format('%%I.%%I(%%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)) AS signature,
       pg_catalog.pg_has_role(session_user, p.proowner, %(become)s) AS may, pg_catalog.has_schema_privilege(p.proowner, n.oid, 'CREATE') AS may_create
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.prosqlbody IS NOT NULL
   AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
                  AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %(oid)s::oid)
 ORDER BY p.oid
