SELECT retention FROM partition_lifecycle.retention WHERE table_schema = %(table_schema)s AND table_name = %(table_name)s
