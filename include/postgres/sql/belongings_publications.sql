-- Publications that a table is in, and how: named there, with the whole schema, or with everything. `role` may change it: it is, or is a member
-- of, both the publication's owner and the table's. Column lists and filters are new in 15.
SELECT p.pubname AS name, p.puballtables AS of_all, r.oid IS NOT NULL AS named, p.pubviaroot AS via_root,
       CASE WHEN pg_catalog.to_jsonb(r) ->> 'prattrs' IS NOT NULL THEN
         ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum = ANY (pg_catalog.string_to_array(pg_catalog.translate(pg_catalog.to_jsonb(r) ->> 'prattrs', '[],', ''), ' ')::smallint[])
                ORDER BY a.attnum) END AS columns,
       CASE WHEN pg_catalog.to_jsonb(r) ->> 'prqual' IS NOT NULL THEN
         (SELECT pg_catalog.to_jsonb(t) ->> 'rowfilter' FROM pg_catalog.pg_publication_tables t
           WHERE t.pubname = p.pubname AND t.schemaname = n.nspname AND t.tablename = c.relname) END AS filter,
       (SELECT x.role FROM (VALUES (1, pg_catalog.pg_get_userbyid(p.pubowner)), (2, pg_catalog.pg_get_userbyid(c.relowner)), (3, session_user)) x (place, role)
         WHERE pg_catalog.pg_has_role(session_user, x.role, %(become)s)
           AND pg_catalog.pg_has_role(x.role, p.pubowner, 'USAGE') AND pg_catalog.pg_has_role(x.role, c.relowner, 'USAGE')
         ORDER BY x.place LIMIT 1)::text AS role
  FROM pg_catalog.pg_publication p
 CROSS JOIN pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
 WHERE c.oid = %(oid)s::oid
   AND CASE WHEN p.puballtables OR r.oid IS NOT NULL THEN true  -- in this order, because to list the tables of such a publication is costly
            ELSE EXISTS (SELECT FROM pg_catalog.pg_get_publication_tables(p.pubname) t
                          WHERE t.relid = c.oid OR t.relid IN (SELECT l.relid FROM pg_catalog.pg_partition_tree(c.oid) l)) END
 ORDER BY p.pubname
