-- Our own, when whoever waits for them is told to stop.
SELECT pg_catalog.pg_terminate_backend(pid) AS ended FROM pg_catalog.unnest(%(pids)s::integer[]) AS pid
