-- Privileges of others than the owner, table and column ones, in an order that grant options can be followed.
SELECT g.privilege_type AS privilege, g.is_grantable AS grantable, g.grantee = 0 AS to_public,
       CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee) END AS grantee, NULL::name AS column
  FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) g
 WHERE c.oid = %(oid)s::oid AND g.grantee <> c.relowner
UNION ALL
SELECT g.privilege_type, g.is_grantable, g.grantee = 0,
       CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee) END, a.attname
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
       pg_catalog.aclexplode(a.attacl) g
 WHERE c.oid = %(oid)s::oid AND g.grantee <> c.relowner
 ORDER BY 4, 1, 5
