SELECT EXISTS (SELECT FROM partition_lifecycle.event
                WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND action = %(action)s AND outcome = 'done' AND partition_oid = %(oid)s::oid) AS yes
