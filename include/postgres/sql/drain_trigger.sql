-- Whether both triggers of a drain are on the table, and fire whatever the session's replication role.
SELECT pg_catalog.count(*) AS triggers, coalesce(pg_catalog.bool_and(t.tgenabled = 'A'), false) AS always
  FROM pg_catalog.pg_trigger t
 WHERE t.tgrelid = %(default)s::oid AND NOT t.tgisinternal AND t.tgname = ANY (%(names)s)
