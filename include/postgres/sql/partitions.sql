-- All partitions, those with a pending detach included (pg_partition_tree would leave them out).
-- A bound names no column, so pg_get_expr needs no relation: from 16 on it would lock each partition to look at it, and wait.
-- The bound is printed by the session's TimeZone and DateStyle, which the session pins to UTC and ISO.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS name,
       c.relkind::text AS kind,
       pg_catalog.pg_get_expr(c.relpartbound, 0) AS bound,
       i.inhdetachpending AS detach_pending,
       CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS rows
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE i.inhparent = %(parent)s
