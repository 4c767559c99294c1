-- A length of time in the parts that PostgreSQL keeps apart.
SELECT (extract(year FROM i) * 12 + extract(month FROM i))::integer AS months,
       extract(day FROM i)::integer AS days,
       (extract(hour FROM i) * 3600 + extract(minute FROM i) * 60 + extract(second FROM i))::double precision AS seconds
  FROM (SELECT %(text)s::pg_catalog.interval AS i) given
