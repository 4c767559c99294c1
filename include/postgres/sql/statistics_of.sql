-- Extended statistics objects of a table.
SELECT n.nspname AS schema, x.stxname AS name
  FROM pg_catalog.pg_statistic_ext x
  JOIN pg_catalog.pg_namespace n ON n.oid = x.stxnamespace
 WHERE x.stxrelid = %(oid)s::oid
 ORDER BY x.stxname
