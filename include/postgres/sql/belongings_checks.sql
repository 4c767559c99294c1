-- CHECK constraints of a table. A whole row shows only in the text; where it merely looks so, too much is said of it, never too little.
SELECT con.conname AS name, pg_catalog.pg_get_constraintdef(con.oid) AS definition, con.connoinherit AS no_inherit,
       pg_catalog.strpos(pg_catalog.pg_get_constraintdef(con.oid), pg_catalog.quote_ident(c.relname) || '.*') > 0 AS has_whole_row
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
 WHERE con.conrelid = %(oid)s::oid AND con.contype = 'c'
 ORDER BY con.conname
