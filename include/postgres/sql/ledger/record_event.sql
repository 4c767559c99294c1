INSERT INTO partition_lifecycle.event
       (action, outcome, parent, partition, partition_oid, lower_bound, upper_bound, rows, bytes, lock_wait_ms, detail,
        dag_id, run_id, task_id, map_index, try_number)
SELECT e.action, e.outcome, %(parent)s, e.partition, e.oid, e.lower, e.upper, e.rows, e.bytes, e.lock_wait_ms, e.detail,
       %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s, %(try_number)s
  FROM pg_catalog.jsonb_to_recordset(%(events)s) e(action text, outcome text, partition text, oid oid, lower text, upper text,
       rows bigint, bytes bigint, lock_wait_ms bigint, detail text)
