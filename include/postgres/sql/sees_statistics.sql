SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS yes, current_user AS role
