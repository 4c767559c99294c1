UPDATE partition_lifecycle.hold
   SET lifted_at = pg_catalog.clock_timestamp(), lifted_by = coalesce(%(lifted_by)s::text, session_user)
 WHERE table_schema = %(table_schema)s AND table_name = %(table_name)s AND hold_id = %(number)s AND lifted_at IS NULL
RETURNING hold_id
