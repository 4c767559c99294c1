-- How far the sessions with these PIDs are with building indexes.
SELECT c.relname AS table, p.phase, CASE WHEN p.blocks_total > 0 THEN p.blocks_done * 100 / p.blocks_total END AS percent
  FROM pg_catalog.pg_stat_progress_create_index p
  JOIN pg_catalog.pg_class c ON c.oid = p.relid
 WHERE p.pid = ANY (%(pids)s::integer[])
 ORDER BY c.relname
