WITH again AS (
  UPDATE partition_lifecycle.hold
     SET held_until = %(held_until)s::timestamptz
   WHERE table_schema = %(table_schema)s AND table_name = %(table_name)s AND lifted_at IS NULL AND reason = %(reason)s
     AND held_from = %(lower)s::timestamptz AND held_to = %(upper)s::timestamptz
  RETURNING hold_id
)
INSERT INTO partition_lifecycle.hold (table_schema, table_name, held_from, held_to, reason, held_until, held_by)
SELECT %(table_schema)s, %(table_name)s, %(lower)s::timestamptz, %(upper)s::timestamptz, %(reason)s, %(held_until)s::timestamptz,
       coalesce(%(held_by)s::text, session_user)
 WHERE NOT EXISTS (SELECT FROM again)
