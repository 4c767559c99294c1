-- The tables below a partitioned table, those below partitions that are partitioned themselves included, each with its part of the parent's
-- index if it has one. Detached ones are no partitions any more while their detach is pending.
WITH RECURSIVE below (oid, kind, depth, parent) AS (
  SELECT c.oid, c.relkind, 0, NULL::oid FROM pg_catalog.pg_class c WHERE c.oid = %(table)s::oid
  UNION ALL
  SELECT c.oid, c.relkind, b.depth + 1, b.oid
    FROM below b
    JOIN pg_catalog.pg_inherits h ON h.inhparent = b.oid AND NOT h.inhdetachpending
    JOIN pg_catalog.pg_class c ON c.oid = h.inhrelid
   WHERE b.kind = 'p'
), part (oid, indexed, is_valid) AS (
  SELECT i.indexrelid, i.indrelid, i.indisvalid FROM pg_catalog.pg_index i WHERE i.indexrelid = %(index)s::oid
  UNION ALL
  SELECT i.indexrelid, i.indrelid, i.indisvalid
    FROM part p
    JOIN pg_catalog.pg_inherits h ON h.inhparent = p.oid
    JOIN pg_catalog.pg_index i ON i.indexrelid = h.inhrelid
)
SELECT b.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, b.kind::text AS kind, b.parent::bigint AS parent,
       p.oid::bigint AS part_oid, pn.nspname AS part_schema, pc.relname AS part_name, coalesce(p.is_valid, false) AS part_is_valid
  FROM below b
  JOIN pg_catalog.pg_class c ON c.oid = b.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN part p ON p.indexed = b.oid
  LEFT JOIN pg_catalog.pg_class pc ON pc.oid = p.oid
  LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
 WHERE b.depth > 0
 ORDER BY b.depth, c.relname
