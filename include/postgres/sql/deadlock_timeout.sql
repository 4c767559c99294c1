SELECT s.setting::bigint AS milliseconds FROM pg_catalog.pg_settings s WHERE s.name = 'deadlock_timeout'
