-- Foreign keys that a table has by itself, with the columns at both ends.
SELECT con.conname AS name, pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       n.nspname AS referenced_schema, c.relname AS referenced_name, con.confrelid::bigint AS referenced_oid, con.convalidated AND coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) AS validated,
       coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true) AS enforced,  -- NOT ENFORCED is new in 18
       (SELECT pg_catalog.array_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(con.conkey) WITH ORDINALITY k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.number) AS columns,
       (SELECT pg_catalog.array_agg(a.attname ORDER BY k.place) FROM pg_catalog.unnest(con.confkey) WITH ORDINALITY k(number, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = con.confrelid AND a.attnum = k.number) AS referenced_columns,
       (SELECT pg_catalog.array_agg(pg_catalog.format('OPERATOR(%%I.%%s)', orn.nspname, o.oprname) ORDER BY k.place)
          FROM pg_catalog.unnest(con.conpfeqop) WITH ORDINALITY k(operator, place)
          JOIN pg_catalog.pg_operator o ON o.oid = k.operator
          JOIN pg_catalog.pg_namespace orn ON orn.oid = o.oprnamespace) AS operators
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.confrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'f' AND con.conparentid = 0
 ORDER BY con.conname
