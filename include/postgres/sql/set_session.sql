-- All settings in one round trip, which backend of what kind of server it was that took them, and what only a superuser can set.
SELECT pg_catalog.pg_backend_pid() AS backend, pg_catalog.pg_is_in_recovery() AS standby, session_user AS user,
       pg_catalog.json_object_agg(b.name, pg_catalog.current_setting(b.name)) AS beyond_us,
       (SELECT pg_catalog.count(pg_catalog.set_config(s.name, s.value, false))
          FROM ROWS FROM (pg_catalog.unnest(%(names)s::text[]), pg_catalog.unnest(%(values)s::text[])) AS s (name, value)) AS settings
  FROM pg_catalog.unnest(%(beyond_us)s::text[]) b (name)
