-- What was asked and answered about this table, in order. Outside a DAG run there is no run, and nothing was.
SELECT outcome, detail
  FROM partition_lifecycle.event
 WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND parent = %(parent)s AND action = 'approve' AND outcome IN ('began', 'done', 'refused')
 ORDER BY event_id
