SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('partition_lifecycle ' || %(oid)s::text, 0))
