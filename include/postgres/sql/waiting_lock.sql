-- The lock that a backend is waiting for now. `seconds` since it began to wait; NULL for the first instants (manual, pg_locks).
SELECT l.locktype AS kind, l.mode AS mode, extract(epoch FROM pg_catalog.clock_timestamp() - l.waitstart)::float8 AS seconds
  FROM pg_catalog.pg_locks l
 WHERE l.pid = %(pid)s AND NOT l.granted
