-- Concurrent CREATE SCHEMA IF NOT EXISTS fails with 23505, so installations take turns.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('partition_lifecycle install', 0))
