-- Without an operator or a setting that matters: it comes before the settings.
SELECT pg_catalog.pg_backend_pid() AS backend, pg_catalog.pg_is_in_recovery() AS standby
