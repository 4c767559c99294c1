-- Bounds by their output function; an infinite held_until is none.
SELECT hold_id AS number, pg_catalog.format('%%s', held_from) AS lower_bound, pg_catalog.format('%%s', held_to) AS upper_bound, reason, held_by,
       CASE WHEN pg_catalog.isfinite(held_until) THEN held_until END AS held_until
  FROM partition_lifecycle.hold
 WHERE table_schema = %(table_schema)s AND table_name = %(table_name)s AND lifted_at IS NULL
   AND (held_until IS NULL OR held_until > pg_catalog.clock_timestamp())
 ORDER BY hold_id
