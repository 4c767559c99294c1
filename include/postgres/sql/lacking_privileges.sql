-- What the role, or the owner that it becomes, may not do and would have to: the steps that need it, the partition that it is about (if it is
-- about one), what is wrong, and the statement that mends it. Rows that are there are lacks; nothing is locked.
WITH me AS (
  SELECT r.oid, r.rolname AS role FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
), parent AS (
  SELECT c.oid, c.relname, n.oid AS namespace, n.nspname, c.relowner, pg_catalog.pg_get_userbyid(c.relowner) AS owner
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = %(oid)s::oid
), partition AS (
  SELECT c.oid, c.relname, n.oid AS namespace, n.nspname, c.relowner, pg_catalog.pg_get_userbyid(c.relowner) AS owner, c.reltablespace
    FROM pg_catalog.pg_inherits i
    JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r'
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE i.inhparent = %(oid)s::oid
), membership AS (  -- SET and INHERIT are options of a membership since 16
  SELECT CASE WHEN %(server_version)s >= 160000 THEN pg_catalog.pg_has_role(me.oid, parent.relowner, 'SET')
              ELSE pg_catalog.pg_has_role(me.oid, parent.relowner, 'MEMBER') END AS may_become,
         pg_catalog.pg_has_role(me.oid, parent.relowner, 'USAGE') AS inherits
    FROM me, parent
), table_name AS (
  SELECT c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) AS name
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)
SELECT ARRAY['create', 'detach', 'drop', 'heal', 'index', 'reindex', 'analyze', 'recent_view', 'restore'] AS steps, NULL::bigint AS partition,
       pg_catalog.format('"%%s" may not become "%%s", the owner of "%%s.%%s"', me.role, parent.owner, parent.nspname, parent.relname) AS wrong,
       pg_catalog.format('GRANT %%I TO %%I', parent.owner, me.role) || CASE WHEN %(server_version)s >= 160000 THEN ' WITH SET TRUE, INHERIT TRUE' ELSE '' END AS mend
  FROM me, parent, membership
 WHERE NOT membership.may_become
UNION ALL
SELECT ARRAY['archive', 'drop'], p.oid::bigint, pg_catalog.format('"%%s" may not read "%%s.%%s"', me.role, p.nspname, p.relname),
       CASE WHEN membership.inherits THEN pg_catalog.format('GRANT SELECT ON %%I.%%I TO %%I', p.nspname, p.relname, me.role)
            ELSE pg_catalog.format('GRANT %%I TO %%I', p.owner, me.role) || CASE WHEN %(server_version)s >= 160000 THEN ' WITH INHERIT TRUE' ELSE '' END END
  FROM me, partition p, membership
 WHERE p.oid = ANY (%(read)s::oid[]) AND NOT pg_catalog.has_table_privilege(me.oid, p.oid, 'SELECT')
   AND (%(server_version)s < 160000  -- LOCK TABLE asked for the whole table
        OR EXISTS (SELECT FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = p.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT pg_catalog.has_column_privilege(me.oid, p.oid, a.attnum, 'SELECT')))
UNION ALL
SELECT ARRAY['archive', 'drop'], p.oid::bigint, pg_catalog.format('row-level security of "%%s.%%s" hides rows from "%%s"', p.nspname, p.relname, me.role),
       pg_catalog.format('ALTER ROLE %%I BYPASSRLS', me.role)
  FROM me, partition p
 WHERE p.oid = ANY (%(read)s::oid[]) AND pg_catalog.row_security_active(p.oid)
UNION ALL
SELECT ARRAY['archive', 'drop'], NULL, pg_catalog.format('"%%s" may not use the schema "%%s"', me.role, parent.nspname),
       pg_catalog.format('GRANT USAGE ON SCHEMA %%I TO %%I', parent.nspname, me.role)
  FROM me, parent
 WHERE NOT pg_catalog.has_schema_privilege(me.oid, parent.namespace, 'USAGE')
UNION ALL
SELECT ARRAY['detach', 'drop', 'heal', 'reindex', 'analyze'], p.oid::bigint,
       pg_catalog.format('"%%s.%%s" belongs to "%%s", whose part "%%s", the owner of its table, may not take', p.nspname, p.relname, p.owner, parent.owner),
       pg_catalog.format('ALTER TABLE %%I.%%I OWNER TO %%I', p.nspname, p.relname, parent.owner)
  FROM parent, partition p
 WHERE p.oid = ANY (%(expiring)s::oid[]) AND NOT pg_catalog.pg_has_role(parent.relowner, p.relowner, 'USAGE')
UNION ALL
SELECT CASE WHEN wanted.privilege = 'CREATE' THEN ARRAY['create', 'index', 'restore'] ELSE ARRAY['create', 'detach', 'drop', 'heal', 'index', 'reindex', 'analyze', 'restore'] END, NULL,
       pg_catalog.format('"%%s", the owner of "%%s.%%s", has no %%s on the schema "%%s"', parent.owner, parent.nspname, parent.relname, wanted.privilege, parent.nspname),
       pg_catalog.format('GRANT %%s ON SCHEMA %%I TO %%I', wanted.privilege, parent.nspname, parent.owner)
  FROM parent, (VALUES ('USAGE'), ('CREATE')) wanted (privilege)
 WHERE NOT pg_catalog.has_schema_privilege(parent.relowner, parent.namespace, wanted.privilege)
UNION ALL
SELECT ARRAY['recent_view'], NULL,
       pg_catalog.format('"%%s", to whom the recent view will belong, has no %%s on its schema "%%s"', parent.owner, wanted.privilege, n.nspname),
       pg_catalog.format('GRANT %%s ON SCHEMA %%I TO %%I', wanted.privilege, n.nspname, parent.owner)
  FROM parent, pg_catalog.pg_namespace n, (VALUES ('USAGE'), ('CREATE')) wanted (privilege)
 WHERE n.nspname = %(view_schema)s AND NOT pg_catalog.has_schema_privilege(parent.relowner, n.oid, wanted.privilege)
UNION ALL
SELECT DISTINCT ARRAY['create', 'restore'], NULL::bigint,
       pg_catalog.format('"%%s", the owner of "%%s.%%s", may not use the type %%s', parent.owner, parent.nspname, parent.relname, pg_catalog.format_type(t.oid, NULL)),
       pg_catalog.format('GRANT USAGE ON TYPE %%s TO %%I', pg_catalog.format_type(t.oid, NULL), parent.owner)
  FROM parent
  JOIN pg_catalog.pg_attribute a ON a.attrelid = parent.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_catalog.pg_type t0 ON t0.oid = a.atttypid
  JOIN pg_catalog.pg_type t ON t.oid = CASE WHEN t0.typcategory = 'A' AND t0.typelem <> 0 THEN t0.typelem ELSE t0.oid END
 WHERE NOT pg_catalog.has_type_privilege(parent.relowner, t.oid, 'USAGE')
UNION ALL
SELECT ARRAY['create', 'restore'], NULL,
       pg_catalog.format('"%%s", the owner of "%%s.%%s", may not create in the tablespace "%%s" of its newest partition', parent.owner, parent.nspname, parent.relname, ts.spcname),
       pg_catalog.format('GRANT CREATE ON TABLESPACE %%I TO %%I', ts.spcname, parent.owner)
  FROM parent
  JOIN partition p ON p.oid = %(sibling)s::oid
  JOIN pg_catalog.pg_tablespace ts ON ts.oid = p.reltablespace
 WHERE NOT pg_catalog.has_tablespace_privilege(parent.relowner, ts.oid, 'CREATE')
UNION ALL
SELECT ARRAY['restore'], NULL,
       pg_catalog.format('"%%s", the owner of "%%s.%%s", has no REFERENCES on "%%s", to which its foreign key "%%s" refers', parent.owner, parent.nspname, parent.relname, r.name, k.conname),
       pg_catalog.format('GRANT REFERENCES ON %%s TO %%I', r.name, parent.owner)
  FROM parent
  JOIN pg_catalog.pg_constraint k ON k.conrelid = parent.oid AND k.contype = 'f' AND k.conparentid = 0
  JOIN table_name r ON r.oid = k.confrelid
 WHERE NOT pg_catalog.has_table_privilege(parent.relowner, k.confrelid, 'REFERENCES')
UNION ALL
SELECT ARRAY['every'], NULL, pg_catalog.format('"%%s" may not make the schema partition_lifecycle, which holds the ledger', me.role),
       pg_catalog.format('GRANT CREATE ON DATABASE %%I TO %%I', pg_catalog.current_database(), me.role)
  FROM me
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = 'partition_lifecycle')
   AND NOT pg_catalog.has_database_privilege(me.oid, pg_catalog.current_database(), 'CREATE')
UNION ALL
SELECT ARRAY['every'], NULL, pg_catalog.format('"%%s" has no %%s on the ledger''s table "%%s"', me.role, pg_catalog.string_agg(wanted.privilege, ', '), c.relname),
       pg_catalog.format('GRANT %%s ON %%I.%%I TO %%I', pg_catalog.string_agg(wanted.privilege, ', '), n.nspname, c.relname, me.role)
  FROM me
  JOIN pg_catalog.pg_namespace n ON n.nspname = 'partition_lifecycle'
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'
 CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) wanted (privilege)
 WHERE NOT pg_catalog.has_table_privilege(me.oid, c.oid, wanted.privilege)
   AND (wanted.privilege IN ('SELECT', 'INSERT') OR c.relname NOT IN ('event', 'schema_version'))
 GROUP BY me.role, n.nspname, c.relname
UNION ALL
SELECT ARRAY['every'], NULL, pg_catalog.format('the ledger has to be brought up to date, and "%%s" is not its owner', me.role),
       pg_catalog.format('GRANT %%I TO %%I', pg_catalog.pg_get_userbyid(n.nspowner), me.role)
  FROM me, pg_catalog.pg_namespace n
 WHERE n.nspname = 'partition_lifecycle' AND NOT %(ledger_is_current)s AND NOT pg_catalog.pg_has_role(me.oid, n.nspowner, 'USAGE')
