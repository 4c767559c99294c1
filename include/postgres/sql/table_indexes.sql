-- The indexes of one table. `definition` is what pg_get_indexdef says behind the table's name: method, columns, options, predicate; equal
-- indexes of any two tables with the same columns have the same. `keys` are the SQL of what the index is on, one by one.
-- `waits_for_others`: while it is built CONCURRENTLY, other such builds wait for its snapshots, and it for theirs (manual, CREATE INDEX).
SELECT ic.oid::bigint AS oid, n.nspname AS schema, ic.relname AS name, i.indisunique AS is_unique,
       i.indisvalid AND i.indisready AND i.indislive AS is_valid, ic.relispartition AS attached,
       pg_catalog.substr(pg_catalog.pg_get_indexdef(ic.oid), pg_catalog.length(
         'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || pg_catalog.quote_ident(ic.relname) || ' ON '
         || CASE WHEN ic.relkind = 'I' THEN 'ONLY ' ELSE '' END
         || pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname)) + 1) AS definition,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = ic.oid) AS columns,
       (SELECT pg_catalog.array_agg(pg_catalog.pg_get_indexdef(ic.oid, k, false) ORDER BY k)
          FROM pg_catalog.generate_series(1, i.indnkeyatts) k) AS keys,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,  -- since 15
       i.indexprs IS NOT NULL OR i.indpred IS NOT NULL AS waits_for_others,
       ts.spcname AS tablespace
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = ic.reltablespace
 WHERE i.indrelid = %(table)s::oid
 ORDER BY ic.oid
