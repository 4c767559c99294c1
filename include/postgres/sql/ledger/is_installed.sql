-- Read from pg_class itself: to_regclass may answer from a cache that is older than the lock under which we install.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE n.nspname = 'partition_lifecycle' AND c.relname = 'schema_version') AS yes
