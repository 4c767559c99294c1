-- Sequences that belong to columns. Of an identity: 'a' is ALWAYS, 'd' BY DEFAULT; '' is a sequence that is merely owned. `surplus` is what
-- default privileges give a new one, and this one does not have.
SELECT s.relname AS name, a.attname AS column, a.attidentity::text AS identity,
       q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS minimum, q.seqmax AS maximum, q.seqcache AS cache, q.seqcycle AS cycles,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(g.privilege_type, CASE WHEN g.grantee <> 0 THEN pg_catalog.pg_get_userbyid(g.grantee) END, g.is_grantable) ORDER BY 1::text)
                   FROM pg_catalog.aclexplode(s.relacl) g WHERE g.grantee <> s.relowner), '[]') AS grants,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(x.privilege_type, CASE WHEN x.grantee <> 0 THEN pg_catalog.pg_get_userbyid(x.grantee) END))
                   FROM (SELECT g.privilege_type, g.grantee
                           FROM pg_catalog.pg_default_acl d, pg_catalog.aclexplode(d.defaclacl) g
                          WHERE d.defaclrole = s.relowner AND d.defaclobjtype = 'S' AND d.defaclnamespace IN (0, s.relnamespace) AND g.grantee <> d.defaclrole
                         EXCEPT
                         SELECT g.privilege_type, g.grantee FROM pg_catalog.aclexplode(s.relacl) g) x), '[]') AS surplus
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
  JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
   AND d.refobjid = %(oid)s::oid AND d.deptype IN ('a', 'i')
 ORDER BY s.relname
