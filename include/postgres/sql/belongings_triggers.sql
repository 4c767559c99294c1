-- A table's own triggers, but those by which changes are followed. `head` is what the server prints before the table's name, composed here
-- so that it is measured, not searched for.
SELECT t.tgname AS name, t.tgenabled::text AS fires, pg_catalog.pg_get_triggerdef(t.oid) AS definition,
       (t.tgtype & 1) = 1 AND (t.tgoldtable IS NOT NULL OR t.tgnewtable IS NOT NULL) AS has_transition_tables_by_row,
       'CREATE ' || CASE WHEN t.tgconstraint <> 0 THEN 'CONSTRAINT ' ELSE '' END || 'TRIGGER ' || pg_catalog.quote_ident(t.tgname)
         || CASE WHEN (t.tgtype & 2) = 2 THEN ' BEFORE ' WHEN (t.tgtype & 64) = 64 THEN ' INSTEAD OF ' ELSE ' AFTER ' END
         || pg_catalog.array_to_string(ARRAY[
              CASE WHEN (t.tgtype & 4) = 4 THEN 'INSERT' END,
              CASE WHEN (t.tgtype & 8) = 8 THEN 'DELETE' END,
              CASE WHEN (t.tgtype & 16) = 16 THEN 'UPDATE' || coalesce(
                (SELECT ' OF ' || pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY x.place)
                   FROM pg_catalog.unnest(t.tgattr) WITH ORDINALITY x (number, place)
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = x.number), '') END,
              CASE WHEN (t.tgtype & 32) = 32 THEN 'TRUNCATE' END], ' OR ') AS head,
       pg_catalog.format(' ON %%I.%%I ', n.nspname, c.relname) AS place
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgrelid = %(oid)s::oid AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgname NOT LIKE '00\_partition\_lifecycle%%'
 ORDER BY t.tgname
