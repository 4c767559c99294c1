-- What has one of these names in the schema already, so that no partition is given it.
SELECT c.relname AS name,
       CASE WHEN c.relispartition THEN
                 pg_catalog.format('a partition of %%s', (SELECT i.inhparent::pg_catalog.regclass FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid LIMIT 1))
            ELSE CASE c.relkind WHEN 'r' THEN 'an ordinary table' WHEN 'p' THEN 'a partitioned table' WHEN 'v' THEN 'a view'
                                WHEN 'm' THEN 'a materialized view' WHEN 'S' THEN 'a sequence' WHEN 'f' THEN 'a foreign table'
                                WHEN 'c' THEN 'a composite type' ELSE 'an index' END
       END AS what
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = ANY (%(names)s::name[])
UNION ALL
SELECT t.typname, 'a type'
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = %(schema)s AND t.typname = ANY (%(names)s::name[]) AND t.typrelid = 0 AND t.typelem = 0
