SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = %(schema)s) AS yes
