INSERT INTO partition_lifecycle.event
       (action, outcome, parent, partition, partition_oid, lower_bound, upper_bound, rows, bytes, lock_wait_ms, detail,
        dag_id, run_id, task_id, map_index, try_number)
VALUES (%(action)s, %(outcome)s, %(parent)s, %(partition)s, %(oid)s, %(lower)s, %(upper)s, %(rows)s, %(bytes)s, %(lock_wait_ms)s, %(detail)s,
        %(dag_id)s, %(run_id)s, %(task_id)s, %(map_index)s, %(try_number)s)
