SELECT EXISTS (SELECT FROM partition_lifecycle.event
                WHERE parent = %(parent)s AND action = %(action)s AND partition_oid = %(oid)s::oid) AS yes
