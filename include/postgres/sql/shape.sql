-- A digest of everything that says what the stored rows read as: names and types, column numbers (a column dropped and added again is
-- another one), values of columns added without a rewrite, generation expressions, and the labels of enums.
SELECT pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.string_agg(
         pg_catalog.concat_ws(E'\t', a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attcollation,
           coalesce(a.attmissingval::text, ''),
           CASE WHEN a.attgenerated <> '' THEN pg_catalog.pg_get_expr(d.adbin, d.adrelid) ELSE '' END,
           (SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid IN (t.oid, t.typelem))),
         E'\n' ORDER BY a.attnum), 'UTF8')), 'hex') AS digest
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped
