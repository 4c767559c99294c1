-- What single partitions have by themselves, not by way of their parent: it stays behind with them.
WITH part AS (
  SELECT c.oid, n.nspname, c.relname, c.relacl, c.relowner, c.relrowsecurity
    FROM pg_catalog.pg_partition_tree(%(oid)s::oid) t
    JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.oid <> %(oid)s::oid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
SELECT p.nspname AS schema, p.relname AS name, 'index' AS sort, ic.relname::text AS what
  FROM part p JOIN pg_catalog.pg_index i ON i.indrelid = p.oid JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
UNION ALL
SELECT p.nspname, p.relname, 'trigger', t.tgname FROM part p JOIN pg_catalog.pg_trigger t ON t.tgrelid = p.oid AND NOT t.tgisinternal AND t.tgparentid = 0
UNION ALL
SELECT p.nspname, p.relname, 'foreign key', k.conname FROM part p JOIN pg_catalog.pg_constraint k ON k.conrelid = p.oid AND k.contype = 'f' AND k.conparentid = 0
UNION ALL
SELECT p.nspname, p.relname, 'policy', l.polname FROM part p JOIN pg_catalog.pg_policy l ON l.polrelid = p.oid
UNION ALL
SELECT p.nspname, p.relname, 'row-level security', 'enabled' FROM part p WHERE p.relrowsecurity
UNION ALL
SELECT DISTINCT p.nspname, p.relname, 'grant', CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.pg_get_userbyid(g.grantee)::text END
  FROM part p, pg_catalog.aclexplode(p.relacl) g WHERE g.grantee <> p.relowner
ORDER BY 1, 2, 3, 4
