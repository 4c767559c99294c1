SELECT coalesce(max(version), 0) AS version FROM partition_lifecycle.schema_version
