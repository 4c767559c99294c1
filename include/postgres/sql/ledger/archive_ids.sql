SELECT archive_id::text AS archive_id FROM partition_lifecycle.archive WHERE parent = %(parent)s
