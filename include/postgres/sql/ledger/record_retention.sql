INSERT INTO partition_lifecycle.retention (table_schema, table_name, retention)
VALUES (%(table_schema)s, %(table_name)s, %(retention)s)
ON CONFLICT (table_schema, table_name) DO UPDATE SET retention = excluded.retention, recorded_at = pg_catalog.clock_timestamp(), recorded_by = session_user
