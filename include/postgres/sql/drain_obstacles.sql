-- What a DEFAULT partition has that would not survive its replacement by another table, or that would make itself felt.
SELECT pg_catalog.format('the foreign key "%%s" of %%s refers to it', con.conname, con.conrelid::pg_catalog.regclass) AS obstacle
  FROM pg_catalog.pg_constraint con
 WHERE con.contype = 'f' AND con.confrelid IN (%(parent)s::oid, %(default)s::oid) AND con.conparentid = 0
UNION ALL
SELECT pg_catalog.format('the constraint "%%s" is deferrable or excludes', con.conname)
  FROM pg_catalog.pg_constraint con
 WHERE con.conrelid IN (%(parent)s::oid, %(default)s::oid) AND con.conparentid = 0 AND (con.contype = 'x' OR con.contype IN ('p', 'u') AND con.condeferrable)
UNION ALL
SELECT pg_catalog.format('it belongs to %%s, the table to %%s', d.relowner::pg_catalog.regrole, p.relowner::pg_catalog.regrole)
  FROM pg_catalog.pg_class d, pg_catalog.pg_class p
 WHERE d.oid = %(default)s::oid AND p.oid = %(parent)s::oid AND d.relowner <> p.relowner
UNION ALL
SELECT pg_catalog.format('row-level security is forced on %%s', c.oid::pg_catalog.regclass)
  FROM pg_catalog.pg_class c
 WHERE c.oid IN (%(default)s::oid, %(sibling)s::oid) AND c.relforcerowsecurity
UNION ALL
SELECT pg_catalog.format('it has the policy "%%s"', l.polname) FROM pg_catalog.pg_policy l WHERE l.polrelid = %(default)s::oid
UNION ALL
SELECT DISTINCT CASE WHEN w.ev_class = %(default)s::oid THEN pg_catalog.format('it has the rule "%%s"', w.rulename)
                     ELSE pg_catalog.format('the view %%s reads it', w.ev_class::pg_catalog.regclass) END
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_rewrite w ON w.oid = d.objid
 WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.refobjid = %(default)s::oid
UNION ALL
SELECT pg_catalog.format('the sequence %%s belongs to it', d.objid::pg_catalog.regclass)
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %(default)s::oid AND d.deptype = 'a'
UNION ALL
SELECT pg_catalog.format('the trigger "%%s" is not enabled as usual', t.tgname)
  FROM pg_catalog.pg_trigger t
 WHERE t.tgrelid = %(default)s::oid AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'O' AND t.tgname NOT LIKE '00\_partition\_lifecycle%%'
 ORDER BY 1
