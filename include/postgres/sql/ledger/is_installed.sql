SELECT pg_catalog.to_regclass('partition_lifecycle.schema_version') IS NOT NULL AS yes
