-- Indexes of the partitioned table that are invalid, and for each the first partition that lacks a valid part of it, with how many there are.
-- `part`: the partition's own invalid part, if it has one. `head` and `after` are what pg_get_indexdef says before and after the table's name.
SELECT n.nspname AS schema, ic.relname AS name, i.indisunique AS is_unique,
       pg_catalog.substr(pg_catalog.pg_get_indexdef(ic.oid), pg_catalog.length(
         'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || pg_catalog.quote_ident(ic.relname) || ' ON ONLY '
         || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.relname)) + 1) AS after,
       m.schema AS partition_schema, m.name AS partition_name, m.oid AS partition_oid, m.part_schema, m.part_name, coalesce(m.missing, 0) AS missing
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid AND ic.relkind = 'I'
  JOIN pg_catalog.pg_class t ON t.oid = i.indrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN LATERAL (
         SELECT pc.oid::bigint AS oid, pn.nspname AS schema, pc.relname AS name, an.nspname AS part_schema, ac.relname AS part_name,
                pg_catalog.count(*) OVER () AS missing
           FROM pg_catalog.pg_inherits h
           JOIN pg_catalog.pg_class pc ON pc.oid = h.inhrelid
           JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
           LEFT JOIN (pg_catalog.pg_inherits ah JOIN pg_catalog.pg_index ai ON ai.indexrelid = ah.inhrelid) ON ah.inhparent = ic.oid AND ai.indrelid = pc.oid
           LEFT JOIN pg_catalog.pg_class ac ON ac.oid = ai.indexrelid
           LEFT JOIN pg_catalog.pg_namespace an ON an.oid = ac.relnamespace
          WHERE h.inhparent = t.oid AND NOT h.inhdetachpending AND ai.indisvalid IS NOT TRUE
          ORDER BY pc.relname
          LIMIT 1) m ON true
 WHERE i.indrelid = %(parent)s::oid AND NOT i.indisvalid
 ORDER BY ic.relname
