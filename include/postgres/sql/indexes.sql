-- B-tree indexes of these tables with what the size of a freshly built one is estimated from. Statistics of plain columns
-- belong to the table, those of expressions to the index. Small ones are left out first: looking up statistics is what costs.
-- pg_relation_size locks what it looks at: MATERIALIZED, lest it be asked of every table and index of the database first.
WITH mine AS MATERIALIZED (
  SELECT i.*, pg_catalog.pg_relation_size(i.indexrelid) AS bytes
    FROM pg_catalog.pg_index i
   WHERE i.indrelid = ANY (%(oids)s::oid[]) AND i.indisvalid AND i.indislive
)
SELECT i.indrelid::bigint AS table_oid, n.nspname AS schema, ic.relname AS name,
       i.bytes,
       ic.reltuples::float8 AS entries,
       i.indisunique AS is_unique,
       coalesce((SELECT o.option_value::integer FROM pg_catalog.pg_options_to_table(ic.reloptions) o WHERE o.option_name = 'fillfactor'), 90) AS fillfactor,
       pg_catalog.current_setting('block_size')::integer AS block_size,
       pg_catalog.bool_and(s.stawidth IS NOT NULL) AS has_statistics,
       pg_catalog.array_agg(s.stawidth ORDER BY a.attnum) AS widths,
       pg_catalog.array_agg(s.stanullfrac::float8 ORDER BY a.attnum) AS null_fractions,
       pg_catalog.array_agg(s.stadistinct::float8 ORDER BY a.attnum) FILTER (WHERE a.attnum <= i.indnkeyatts) AS distincts
  FROM mine i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = ic.relam AND am.amname = 'btree'
  JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = ic.oid AND a.attnum > 0
  LEFT JOIN LATERAL (
         SELECT v.avg_width AS stawidth, v.null_frac AS stanullfrac, v.n_distinct AS stadistinct
           FROM pg_catalog.pg_class tc
           JOIN pg_catalog.pg_namespace tn ON tn.oid = tc.relnamespace
           LEFT JOIN pg_catalog.pg_attribute ta ON ta.attrelid = tc.oid AND ta.attnum = i.indkey[a.attnum - 1] AND ta.attnum > 0
           JOIN pg_catalog.pg_stats v ON v.schemaname = tn.nspname
            AND v.tablename = CASE WHEN ta.attname IS NULL THEN ic.relname ELSE tc.relname END
            AND v.attname = coalesce(ta.attname, a.attname)
          WHERE tc.oid = i.indrelid
         LIMIT 1) s ON true
 WHERE i.bytes >= %(smallest)s
 GROUP BY i.indrelid, i.bytes, ic.oid, n.nspname, ic.relname, ic.reltuples, ic.reloptions, i.indisunique
 ORDER BY ic.relname
