-- CHECK constraints that a partition has by itself, not by way of its parent.
SELECT con.conname AS name, pg_catalog.pg_get_constraintdef(con.oid) AS definition
  FROM pg_catalog.pg_constraint con
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'c' AND con.coninhcount = 0
 ORDER BY con.conname
