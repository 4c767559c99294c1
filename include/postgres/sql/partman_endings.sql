-- What names end in that pg_partman gives to partitions that begin at these moments, in the same order.
SELECT pg_catalog.to_char(pg_catalog.timezone(%(zone)s, b.moment), %(format)s) AS ending
  FROM pg_catalog.unnest(%(moments)s::timestamptz[]) WITH ORDINALITY b(moment, place)
 ORDER BY b.place
