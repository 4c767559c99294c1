-- Where the server keeps its data, and whether the connection comes from the same machine; NULL for a role that may not know.
SELECT pg_catalog.inet_server_addr() IS NULL OR pg_catalog.inet_server_addr() = pg_catalog.inet_client_addr() AS local,
       CASE WHEN pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') THEN pg_catalog.current_setting('data_directory') END AS path
