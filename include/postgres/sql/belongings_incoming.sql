-- Foreign keys by which tables refer to this one, itself included. A key that a partition has by way of its parent is left out.
SELECT con.conname AS name, c.oid::bigint AS oid, n.nspname AS schema, c.relname AS table, c.relkind = 'p' AS from_partitioned, con.conrelid = con.confrelid AS to_itself,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       con.convalidated AND coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) AS validated,
       coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) AS enforced,  -- NOT ENFORCED is new in 18
       ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY k (number, place)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.number ORDER BY k.place) AS referenced,
       r.relforcerowsecurity OR c.relforcerowsecurity AS row_security_forced,
       pg_catalog.obj_description(con.oid, 'pg_constraint') AS comment,
       pg_catalog.pg_has_role(session_user, c.relowner, %(become)s) AS may,
       (SELECT pg_catalog.bool_and(pg_catalog.has_column_privilege(c.relowner, con.confrelid, k.number, 'REFERENCES')) FROM pg_catalog.unnest(con.confkey) k (number)) AS may_refer
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_class r ON r.oid = con.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE con.confrelid = %(oid)s::oid AND con.contype = 'f' AND con.conparentid = 0
 ORDER BY n.nspname, c.relname, con.conname
