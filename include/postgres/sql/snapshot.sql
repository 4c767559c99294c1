-- Output functions, not casts to text: a cast may be somebody's own.
SELECT pg_catalog.pg_snapshot_out(pg_catalog.pg_current_snapshot()) AS text,
       pg_catalog.int8in(pg_catalog.xid8out(pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot()))) AS xmin,
       pg_catalog.now() AS taken_at
