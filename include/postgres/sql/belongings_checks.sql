-- CHECK constraints of a table.
SELECT con.conname AS name, pg_catalog.pg_get_constraintdef(con.oid) AS definition, con.connoinherit AS no_inherit
  FROM pg_catalog.pg_constraint con
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'c'
 ORDER BY con.conname
