-- What makes the types that the columns need and that neither PostgreSQL nor an extension brings, each behind those it is made of.
WITH RECURSIVE needed AS (
  SELECT a.atttypid AS type, 0 AS depth
    FROM pg_catalog.pg_attribute a
   WHERE a.attrelid = %(oid)s::oid AND a.attnum > 0 AND NOT a.attisdropped
  UNION
  SELECT inner_type, n.depth + 1
    FROM needed n
    JOIN pg_catalog.pg_type t ON t.oid = n.type
   CROSS JOIN LATERAL (
         SELECT t.typelem WHERE t.typelem <> 0
         UNION ALL SELECT t.typbasetype WHERE t.typtype = 'd'
         UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
         UNION ALL SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid
         UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
       ) AS made_of (inner_type)
   WHERE n.depth < 50
)
SELECT CASE t.typtype
         WHEN 'e' THEN pg_catalog.format('CREATE TYPE %%s AS ENUM (%%s)', pg_catalog.format_type(t.oid, NULL),
                (SELECT pg_catalog.string_agg(pg_catalog.quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid))
         WHEN 'c' THEN pg_catalog.format('CREATE TYPE %%s AS (%%s)', pg_catalog.format_type(t.oid, NULL),
                (SELECT pg_catalog.string_agg(pg_catalog.format('%%I %%s', a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
         WHEN 'd' THEN pg_catalog.format('CREATE DOMAIN %%s AS %%s%%s%%s', pg_catalog.format_type(t.oid, NULL), pg_catalog.format_type(t.typbasetype, t.typtypmod),
                CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END,
                (SELECT pg_catalog.string_agg(pg_catalog.format(' CONSTRAINT %%I %%s', c.conname, pg_catalog.pg_get_constraintdef(c.oid)), '' ORDER BY c.conname)
                   FROM pg_catalog.pg_constraint c WHERE c.contypid = t.oid AND c.contype = 'c'))
         WHEN 'r' THEN pg_catalog.format('CREATE TYPE %%s AS RANGE (SUBTYPE = %%s)', pg_catalog.format_type(t.oid, NULL),
                (SELECT pg_catalog.format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid))
       END AS statement
  FROM (SELECT type, max(depth) AS depth FROM needed GROUP BY type) n
  JOIN pg_catalog.pg_type t ON t.oid = n.type
  JOIN pg_catalog.pg_namespace ns ON ns.oid = t.typnamespace
 WHERE ns.nspname <> 'pg_catalog' AND t.typtype IN ('e', 'c', 'd', 'r')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e')
 ORDER BY n.depth DESC, statement
