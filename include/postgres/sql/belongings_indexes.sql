-- Indexes of a table, those of constraints first. `definition` is what stands behind the table's name: measured, not searched for, because a
-- name may read like SQL. `conperiod` (WITHOUT OVERLAPS) is new in 18, `indnullsnotdistinct` in 15.
SELECT ic.relname AS name, k.contype::text AS constraint, i.indisunique AS is_unique, i.indisvalid AS is_valid, i.indisclustered AS is_clustered,
       i.indisreplident AS is_replica_identity, i.indpred IS NOT NULL AS is_partial,
       coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
       coalesce((pg_catalog.to_jsonb(k) ->> 'conperiod')::boolean, false) AS is_temporal,
       coalesce(k.condeferrable, false) AS deferrable, coalesce(k.condeferred, false) AS deferred,
       place.columns[1:i.indnkeyatts] AS columns, place.columns[i.indnkeyatts + 1:] AS included,
       ARRAY(SELECT o.oprname::text FROM pg_catalog.unnest(k.conexclop) WITH ORDINALITY x (operator, place) JOIN pg_catalog.pg_operator o ON o.oid = x.operator ORDER BY x.place) AS operators,
       pg_catalog.substr(pg_catalog.pg_get_indexdef(i.indexrelid), 1 + pg_catalog.length(
         'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || pg_catalog.format('INDEX %%I ON ', ic.relname)
           || CASE c.relkind WHEN 'p' THEN 'ONLY ' ELSE '' END || pg_catalog.format('%%I.%%I', n.nspname, c.relname))) AS definition,
       pg_catalog.strpos(pg_catalog.pg_get_indexdef(i.indexrelid), pg_catalog.quote_ident(c.relname) || '.*') > 0 AS has_whole_row,
       pg_catalog.pg_get_constraintdef(k.oid) AS constraint_definition,
       coalesce(ic.reloptions, '{}') AS options, ts.spcname AS tablespace,
       coalesce((SELECT pg_catalog.json_agg(pg_catalog.json_build_array(a.attnum, a.attstattarget) ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = ic.oid AND a.attstattarget >= 0), '[]') AS targets
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
  JOIN pg_catalog.pg_class c ON c.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_constraint k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = ic.reltablespace
 CROSS JOIN LATERAL (  -- NULL for an expression
         SELECT pg_catalog.array_agg(a.attname::text ORDER BY x.place)
           FROM pg_catalog.unnest(i.indkey) WITH ORDINALITY x (number, place)
           LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = x.number AND x.number > 0) place (columns)
 WHERE i.indrelid = %(oid)s::oid
 ORDER BY k.contype IS NULL, ic.relname
