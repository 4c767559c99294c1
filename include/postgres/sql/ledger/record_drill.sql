UPDATE partition_lifecycle.archive
   SET drill_tried_at = pg_catalog.clock_timestamp(), drilled_at = CASE WHEN %(passed)s THEN pg_catalog.clock_timestamp() ELSE drilled_at END
 WHERE archive_id = %(archive_id)s AND parent = %(parent)s
