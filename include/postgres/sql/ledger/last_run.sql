SELECT max(happened_at) AS moment FROM partition_lifecycle.event WHERE parent = %(parent)s AND action = 'run' AND outcome = 'done'
