SELECT i.inhdetachpending AS pending
  FROM pg_catalog.pg_inherits i
 WHERE i.inhrelid = %(oid)s::oid AND i.inhparent = %(parent)s::oid
