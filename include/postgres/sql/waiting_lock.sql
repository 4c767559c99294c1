-- The lock that a backend is waiting for now, and since when; that is NULL for the first instants (manual, pg_locks).
SELECT l.locktype AS kind, l.waitstart AS since,
       extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::float8 AS seconds
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s AND NOT l.granted
