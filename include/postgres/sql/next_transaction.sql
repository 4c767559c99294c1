-- Where the database's transaction counter stands, 64 bits wide.
SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text::bigint AS next_transaction
