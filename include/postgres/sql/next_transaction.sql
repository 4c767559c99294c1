-- Where the database's transaction counter stands, 64 bits wide.
SELECT pg_catalog.int8in(pg_catalog.xid8out(pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()))) AS next_transaction
