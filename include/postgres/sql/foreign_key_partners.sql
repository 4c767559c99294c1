-- Tables at the other end of a foreign key from or to this table.
SELECT DISTINCT CASE WHEN con.conrelid = %(oid)s::oid THEN con.confrelid ELSE con.conrelid END::bigint AS oid
  FROM pg_catalog.pg_constraint con
 WHERE con.contype = 'f' AND %(oid)s::oid IN (con.conrelid, con.confrelid) AND con.conparentid = 0
