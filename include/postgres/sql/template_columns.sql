-- What is said of single columns and LIKE does not bring. LIKE brings the parent's storage and compression; where the parent says nothing
-- of them the model's count. Targets of ANALYZE and options come from nowhere but the model. An option pg_... is the server's own: 15.20
-- keeps a pg_attver there, other for each table.
SELECT * FROM (
  SELECT a.attname AS name,
         CASE WHEN a.attstorage = t.typstorage AND m.attstorage <> a.attstorage
              THEN CASE m.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END AS storage,
         CASE WHEN a.attcompression = '' THEN CASE m.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END END AS compression,
         coalesce(nullif(m.attstattarget, -1), nullif(a.attstattarget, -1))::integer AS statistics,
         ARRAY(SELECT o FROM pg_catalog.unnest(m.attoptions) o WHERE NOT pg_catalog.starts_with(o, 'pg_')) AS options
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
    JOIN pg_catalog.pg_attribute m ON m.attrelid = %(model)s::oid AND m.attname = a.attname AND m.attnum > 0 AND NOT m.attisdropped
   WHERE a.attrelid = %(parent)s::oid AND a.attnum > 0 AND NOT a.attisdropped
) found
 WHERE storage IS NOT NULL OR compression IS NOT NULL OR statistics IS NOT NULL OR options <> '{}'
 ORDER BY name
