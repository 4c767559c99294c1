SELECT pg_catalog.pg_current_snapshot()::text AS text,
       pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::bigint AS xmin,
       pg_catalog.now() AS taken_at
