-- Whether anything of what hangs on a table has changed is told by this, in a moment: rows of the catalog that belong to it, by the transactions
-- that wrote them, and what depends on it. Statistics are written in place and do not count.
SELECT pg_catalog.md5(pg_catalog.string_agg(f.line, ',' ORDER BY f.line)) AS fingerprint
  FROM (SELECT pg_catalog.format('class %%s', c.xmin) AS line FROM pg_catalog.pg_class c WHERE c.oid = %(oid)s::oid
        UNION ALL
        SELECT pg_catalog.format('column %%s %%s', a.attnum, a.xmin) FROM pg_catalog.pg_attribute a WHERE a.attrelid = %(oid)s::oid
        UNION ALL
        SELECT pg_catalog.format('trigger %%s %%s', t.oid, t.xmin) FROM pg_catalog.pg_trigger t WHERE t.tgrelid = %(oid)s::oid
        UNION ALL
        SELECT pg_catalog.format('dependent %%s %%s %%s', d.classid, d.objid, d.refobjsubid) FROM pg_catalog.pg_depend d
         WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %(oid)s::oid) f
