-- Ordinary tables beside the parent that belong to nobody, have its very columns, and look like former partitions of it: by a name as this
-- package gives it, or by a CHECK of two bounds on the key, as DETACH ... CONCURRENTLY and our own creation leave it and the parent has not.
-- A name that begins like the partitions of another partitioned table of the schema is that one's affair.
-- These are other people's tables: pg_get_constraintdef would lock each of them, wait for whoever holds it, and fail if it is dropped meanwhile.
-- So a CHECK is recognized by the operators in its stored form, and told by its name.
WITH parent AS (
  SELECT c.oid, c.relname, c.relnamespace, (SELECT pg_catalog.array_agg(a.attname || ' ' || a.atttypid || ' ' || a.atttypmod ORDER BY a.attname)
                                              FROM pg_catalog.pg_attribute a
                                             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
    FROM pg_catalog.pg_class c
   WHERE c.oid = %(parent)s::oid
)
SELECT c.oid::bigint AS oid, n.nspname AS schema, c.relname AS name, b.bounds_check
  FROM parent p
  JOIN pg_catalog.pg_class c ON c.relnamespace = p.relnamespace AND c.relkind = 'r' AND NOT c.relispartition
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (
         SELECT k.conname AS bounds_check
           FROM pg_catalog.pg_constraint k
           JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum] AND a.attname = %(key)s
          WHERE k.conrelid = c.oid AND k.contype = 'c'
            AND ARRAY['<', '>=']::pg_catalog.name[] <@ ARRAY(
                  SELECT o.oprname
                    FROM pg_catalog.regexp_matches(k.conbin::pg_catalog.text, ':opno ([0-9]+) ', 'g') m
                    JOIN pg_catalog.pg_operator o ON o.oid = m[1]::pg_catalog.oid)
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint o WHERE o.conrelid = p.oid AND o.contype = 'c' AND o.conname = k.conname)
          ORDER BY k.conname
          LIMIT 1) b ON true
 WHERE (b.bounds_check IS NOT NULL OR c.relname ~ %(named_like)s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class o
                    WHERE o.relnamespace = p.relnamespace AND o.relkind = 'p' AND o.oid <> p.oid
                      AND pg_catalog.starts_with(c.relname, o.relname || '_p')
                      AND (c.relname !~ %(named_like)s OR pg_catalog.length(o.relname) > pg_catalog.length(p.relname)))
   AND p.columns = (SELECT pg_catalog.array_agg(a.attname || ' ' || a.atttypid || ' ' || a.atttypmod ORDER BY a.attname)
                      FROM pg_catalog.pg_attribute a
                     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
 ORDER BY c.relname
