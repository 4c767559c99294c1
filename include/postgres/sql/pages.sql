-- Heap pages of a table, as of now; rows added behind them later are not in an older snapshot.
SELECT pg_catalog.pg_relation_size(%(oid)s::oid) / pg_catalog.current_setting('block_size')::bigint AS pages
