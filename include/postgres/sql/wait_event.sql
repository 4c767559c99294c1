-- What kind of lock a backend of our own role is waiting for; no row if it is not. Unlike pg_locks, this stops nobody, however often it is asked.
SELECT a.wait_event AS kind
  FROM pg_catalog.pg_stat_get_activity(%(pid)s) a
 WHERE a.wait_event_type = 'Lock'
