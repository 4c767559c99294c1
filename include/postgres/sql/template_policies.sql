-- Row-level security policies of one table; NULL among the roles is PUBLIC.
SELECT p.polname AS name, p.polpermissive AS permissive, p.polcmd::text AS command,
       ARRAY(SELECT CASE WHEN r <> 0 THEN pg_catalog.pg_get_userbyid(r) END FROM pg_catalog.unnest(p.polroles) r ORDER BY 1) AS roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS visible,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS writable
  FROM pg_catalog.pg_policy p
 WHERE p.polrelid = %(oid)s::oid
 ORDER BY p.polname
