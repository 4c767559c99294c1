SELECT pg_catalog.obj_description(%(oid)s::oid, 'pg_class') AS comment
