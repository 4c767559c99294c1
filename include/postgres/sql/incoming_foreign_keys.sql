-- Foreign keys by which tables refer to this one, itself included, with the columns at both ends and the operators that compare them. A key of a
-- partition that it has by way of its parent is left out.
SELECT con.conname AS name, n.nspname AS schema, c.relname AS table,
       (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(r.attname, pg_catalog.format('OPERATOR(%%I.%%s)', orn.nspname, o.oprname), a.attname) ORDER BY k.place)
          FROM ROWS FROM (pg_catalog.unnest(con.conkey), pg_catalog.unnest(con.confkey), pg_catalog.unnest(con.conpfeqop)) WITH ORDINALITY k (here, there, operator, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = k.here
          JOIN pg_catalog.pg_attribute r ON r.attrelid = con.confrelid AND r.attnum = k.there
          JOIN pg_catalog.pg_operator o ON o.oid = k.operator
          JOIN pg_catalog.pg_namespace orn ON orn.oid = o.oprnamespace) AS pairs
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE con.confrelid = %(oid)s::oid AND con.contype = 'f' AND con.conparentid = 0
 ORDER BY n.nspname, c.relname, con.conname
