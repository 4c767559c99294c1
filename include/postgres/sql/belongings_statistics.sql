-- Extended statistics objects of a table; the definition is what stands between their name and FROM.
SELECT xn.nspname AS schema, x.stxname AS name, nullif(x.stxstattarget, -1)::integer AS target,
       pg_catalog.substr(whole.definition, 1 + pg_catalog.length(head.text),
         pg_catalog.length(whole.definition) - pg_catalog.length(head.text) - pg_catalog.length(tail.text)) AS definition
  FROM pg_catalog.pg_statistic_ext x
  JOIN pg_catalog.pg_namespace xn ON xn.oid = x.stxnamespace
  JOIN pg_catalog.pg_class c ON c.oid = x.stxrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_statisticsobjdef(x.oid)) whole (definition)
 CROSS JOIN LATERAL (SELECT pg_catalog.format('CREATE STATISTICS %%I.%%I', xn.nspname, x.stxname)) head (text)
 CROSS JOIN LATERAL (SELECT pg_catalog.format(' FROM %%I.%%I', n.nspname, c.relname)) tail (text)
 WHERE x.stxrelid = %(oid)s::oid
 ORDER BY x.stxname
