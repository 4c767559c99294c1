-- All settings in one round trip, and which backend of what kind of server it was that took them.
SELECT pg_catalog.pg_backend_pid() AS backend, pg_catalog.pg_is_in_recovery() AS standby,
       (SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
          FROM ROWS FROM (pg_catalog.unnest(%(names)s::text[]), pg_catalog.unnest(%(values)s::text[])) AS s (name, value)) AS settings
