-- The column that is to become the partition key.
SELECT a.attnotnull AS not_null, a.attgenerated <> '' AS generated, a.attidentity <> '' AS identity
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = %(oid)s::oid AND a.attname = %(key)s AND a.attnum > 0 AND NOT a.attisdropped
