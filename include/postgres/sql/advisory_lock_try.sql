SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('partition_lifecycle ' || %(oid)s::text, 0)) AS taken
