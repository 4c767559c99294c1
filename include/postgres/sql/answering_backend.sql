-- Without an operator or a setting that matters: it comes before the settings. The time limit of a role may be shorter than a cold start
-- takes; it is lifted for this transaction only, because what is set for longer a pooler would leave to others.
BEGIN;
SET LOCAL statement_timeout TO 0;
SELECT pg_catalog.pg_backend_pid() AS backend, pg_catalog.pg_is_in_recovery() AS standby;
COMMIT
