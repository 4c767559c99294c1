-- By what a single row of the table is found quickly: the primary key's columns, and whether an index begins with the partition key.
SELECT coalesce((SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
                   FROM pg_catalog.pg_constraint c
                  CROSS JOIN LATERAL pg_catalog.unnest(c.conkey) WITH ORDINALITY k(number, place)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
                  WHERE c.conrelid = %(parent)s::oid AND c.contype = 'p'), '{}') AS primary_key,
       EXISTS (SELECT FROM pg_catalog.pg_index i
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = %(key)s
                WHERE i.indrelid = %(parent)s::oid AND i.indisvalid AND i.indpred IS NULL) AS key_is_indexed
