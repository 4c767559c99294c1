-- Publications that publish the table or partitions of it, and whether as itself; otherwise a subscriber needs a table for each partition.
SELECT p.pubname AS name, p.pubviaroot AS via_root
  FROM pg_catalog.pg_publication p
 WHERE CASE WHEN p.puballtables THEN true  -- in this order, because to list the tables of such a publication is costly
            WHEN EXISTS (SELECT FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = %(oid)s::oid) THEN true
            ELSE EXISTS (SELECT FROM pg_catalog.pg_get_publication_tables(p.pubname) t
                          WHERE t.relid = %(oid)s::oid
                             OR EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = t.relid AND i.inhparent = %(oid)s::oid))
       END
 ORDER BY 1
