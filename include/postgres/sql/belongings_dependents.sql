-- Everything in the database that holds on to a table, its partitions, their row types, indexes, constraints or identity sequences by OID,
-- and is no part of the table itself. `known` says that it is handed over: a view or a body in standard SQL that reads the table itself.
WITH member AS (
  SELECT %(oid)s::oid AS oid
  UNION
  SELECT t.relid::oid FROM pg_catalog.pg_partition_tree(%(oid)s::oid) t
), part (class, object) AS MATERIALIZED (
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass::oid, m.oid FROM member m
  UNION SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid FROM pg_catalog.pg_index i JOIN member m ON m.oid = i.indrelid
  UNION SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_type t JOIN member m ON m.oid = t.typrelid
  UNION SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, t.typarray FROM pg_catalog.pg_type t JOIN member m ON m.oid = t.typrelid WHERE t.typarray <> 0
  UNION SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid FROM pg_catalog.pg_attrdef d JOIN member m ON m.oid = d.adrelid
  UNION SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid FROM pg_catalog.pg_constraint k JOIN member m ON m.oid = k.conrelid
  UNION SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid FROM pg_catalog.pg_constraint k  -- handed over, or made by that
         WHERE k.contype = 'f' AND (k.confrelid = %(oid)s::oid OR k.confrelid IN (SELECT m.oid FROM member m) AND k.conparentid <> 0)
  UNION SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_trigger t JOIN member m ON m.oid = t.tgrelid
  UNION SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid FROM pg_catalog.pg_trigger t JOIN member m ON m.oid = t.tgconstrrelid WHERE t.tgisinternal
  UNION SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, p.oid FROM pg_catalog.pg_policy p JOIN member m ON m.oid = p.polrelid
  UNION SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid FROM pg_catalog.pg_rewrite w WHERE w.ev_class = %(oid)s::oid  -- refused elsewhere
  UNION SELECT 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, x.oid FROM pg_catalog.pg_statistic_ext x JOIN member m ON m.oid = x.stxrelid
  UNION SELECT 'pg_catalog.pg_publication_rel'::pg_catalog.regclass, r.oid FROM pg_catalog.pg_publication_rel r WHERE r.prrelid = %(oid)s::oid
), own_sequence AS (
  SELECT DISTINCT d.objid AS oid, d.deptype = 'i' AS of_identity
    FROM pg_catalog.pg_depend d
    JOIN member m ON m.oid = d.refobjid
    JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'
   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype IN ('a', 'i')
), held AS (
  SELECT class, object FROM part
  UNION ALL
  SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, s.oid FROM own_sequence s WHERE s.of_identity  -- any other sequence goes on to exist
), own AS (
  SELECT class, object FROM part
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, s.oid FROM own_sequence s
  UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, c.reltoastrelid FROM pg_catalog.pg_class c JOIN member m ON m.oid = c.oid WHERE c.reltoastrelid <> 0
), dependent AS (
  SELECT d.* FROM pg_catalog.pg_depend d JOIN held h ON h.class = d.refclassid AND h.object = d.refobjid
   WHERE NOT EXISTS (SELECT FROM own o WHERE o.class = d.classid AND o.object = d.objid)
  UNION ALL
  SELECT d.* FROM pg_catalog.pg_depend d JOIN own o ON o.class = d.classid AND o.object = d.objid
   WHERE d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype IN ('e', 'x')
     AND d.classid <> 'pg_catalog.pg_type'::pg_catalog.regclass
)
SELECT DISTINCT
       CASE WHEN d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass THEN 'of extension'
            WHEN d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'row type'
            WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.rulename <> '_RETURN' THEN 'rule'
            WHEN v.relkind = 'm' THEN 'materialized view'
            WHEN v.relkind = 'v' THEN 'view'
            WHEN p.prosqlbody IS NOT NULL THEN 'function'
            WHEN d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass THEN 'policy'
            WHEN d.classid = 'pg_catalog.pg_publication_rel'::pg_catalog.regclass THEN 'publication'
            ELSE 'something else' END AS sort,
       pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) AS what,
       CASE WHEN v.oid IS NOT NULL THEN pg_catalog.format('%%I.%%I', vn.nspname, v.relname) END AS view,
       pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid) AS holds,
       coalesce(v.relkind = 'v' AND w.rulename = '_RETURN' OR p.prosqlbody IS NOT NULL, false)
         AND (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = %(oid)s::oid
              OR k.conrelid = %(oid)s::oid) AS known,
       coalesce(d.refobjsubid < 0, false) AS of_system_column,
       k.conname AS constraint,
       coalesce(pg_catalog.strpos(coalesce(pg_catalog.pg_get_viewdef(v.oid), pg_catalog.pg_get_functiondef(p.oid)),
         (SELECT pg_catalog.format(' ONLY %%I.%%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = %(oid)s::oid)) > 0, false) AS says_only
  FROM dependent d
  LEFT JOIN pg_catalog.pg_rewrite w ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND w.oid = d.objid
  LEFT JOIN pg_catalog.pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
  LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
  LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND p.oid = d.objid AND p.prosqlbody IS NOT NULL
  LEFT JOIN pg_catalog.pg_constraint k ON d.refclassid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.refobjid
 ORDER BY 1, 2, 4
