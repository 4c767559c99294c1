SELECT manifest FROM partition_lifecycle.archive WHERE archive_id = %(archive_id)s AND parent = %(parent)s
