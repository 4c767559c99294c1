-- What the default privileges of the parent's owner give a new table there, and the model does not give.
SELECT privilege, CASE WHEN grantee <> 0 THEN pg_catalog.pg_get_userbyid(grantee) END AS grantee
  FROM (SELECT g.privilege_type AS privilege, g.grantee, g.is_grantable
          FROM pg_catalog.pg_class parent
          JOIN pg_catalog.pg_default_acl d ON d.defaclrole = parent.relowner AND d.defaclobjtype = 'r' AND d.defaclnamespace IN (0, parent.relnamespace),
               pg_catalog.aclexplode(d.defaclacl) g
         WHERE parent.oid = %(parent)s::oid AND g.grantee <> d.defaclrole
        EXCEPT
        SELECT g.privilege_type, g.grantee, g.is_grantable
          FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) g
         WHERE c.oid = %(model)s::oid) given
 ORDER BY 2, 1
