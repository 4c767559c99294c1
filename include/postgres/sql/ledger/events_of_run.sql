SELECT * FROM partition_lifecycle.event WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s ORDER BY event_id
