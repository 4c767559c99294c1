SELECT pg_catalog.format('%%s', archive_id) AS archive_id FROM partition_lifecycle.archive WHERE parent = %(parent)s
