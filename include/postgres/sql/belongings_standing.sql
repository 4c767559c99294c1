-- What a table is, as far as it decides whether another one can take its place at all.
SELECT n.nspname AS schema, c.relname AS name, c.relkind::text AS kind, c.relpersistence = 't' AS temporary, c.relispartition AS is_partition, c.reloftype <> 0 AS typed,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) AND NOT c.relispartition AS inherits,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid) AND c.relkind <> 'p' AS is_inherited,
       n.nspname IN ('pg_catalog', 'information_schema') OR n.nspname LIKE 'pg\_%%' AS of_system,
       pg_catalog.has_schema_privilege(c.relowner, n.oid, 'CREATE') AS may_create, pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.pg_has_role(session_user, c.relowner, %(become)s) AS may,
       (SELECT u.rolsuper OR u.rolbypassrls FROM pg_catalog.pg_roles u WHERE u.rolname = session_user) AS sees_all_rows, session_user::text AS us,
       EXISTS (SELECT FROM pg_catalog.pg_subscription_rel s WHERE s.srrelid = c.oid) AS subscribes,
       ARRAY(SELECT w.rulename::text FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid ORDER BY 1) AS rules,
       ARRAY(SELECT DISTINCT l.provider FROM pg_catalog.pg_seclabel l WHERE l.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND l.objoid = c.oid ORDER BY 1) AS label_providers,
       ARRAY(SELECT k.conname::text FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'n' AND NOT k.convalidated ORDER BY 1) AS unproven_not_nulls,
       ARRAY(SELECT p.polname::text FROM pg_catalog.pg_policy p
              WHERE p.polrelid = c.oid  -- with its schema the table is printed only in FROM; its columns have the bare name before them
                AND pg_catalog.strpos(pg_catalog.concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)),
                                      pg_catalog.format('%%I.%%I', n.nspname, c.relname)) > 0
              ORDER BY 1) AS policies_reading_it
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = %(oid)s::oid
