-- Whether a DETACH … CONCURRENTLY has found its partition: it holds its lock, or has committed its first phase.
SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.pid = %(pid)s AND l.locktype = 'relation' AND l.relation = %(oid)s::oid AND l.granted AND l.mode = 'ShareUpdateExclusiveLock')
    OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = %(oid)s::oid AND i.inhdetachpending) AS yes
