-- Everything by which partitions of one table should be alike, one row for each trait of each table: sort, name where there can be several
-- of the sort, and value. Definitions are printed without the table's own name. Of the parent only what it says of partitions to come.
WITH relation AS MATERIALIZED (
  SELECT c.*, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS qualified, c.relkind = 'p' AS is_parent
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = ANY(%(oids)s::oid[])
), columns AS (
  SELECT r.oid, r.is_parent, r.relowner, a.*, '"' || a.attname || '"' AS column_name, t.typstorage
    FROM relation r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
), indexes AS (
  SELECT r.oid, r.is_parent, i.indexrelid, i.indisvalid, i.indisreplident, ic.reltablespace, up.name || pg_catalog.substr(d.text, pg_catalog.length(up.head) + 1) AS definition
    FROM relation r
    JOIN pg_catalog.pg_index i ON i.indrelid = r.oid
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid
   CROSS JOIN LATERAL (SELECT pg_catalog.pg_get_indexdef(i.indexrelid) AS text) d
   CROSS JOIN LATERAL (
     SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS name,
            'CREATE ' || CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || 'INDEX ' || pg_catalog.quote_ident(ic.relname) || ' ON '
              || CASE WHEN r.is_parent THEN 'ONLY ' ELSE '' END || r.qualified || ' USING ' AS head) up
), constraints AS (
  SELECT r.oid, r.is_parent, k.oid AS constraint_oid, pg_catalog.pg_get_constraintdef(k.oid) AS definition
    FROM relation r
    JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid AND k.contype IN ('p', 'u', 'x', 'c', 'f')
   WHERE NOT (k.contype = 'c' AND k.conkey = ARRAY(  -- what checks the partition key alone bounds the partition, so it differs
           SELECT own.attnum FROM pg_catalog.pg_attribute own WHERE own.attrelid = r.oid AND own.attname = %(key)s))
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint up WHERE up.oid = k.conparentid AND up.conrelid = k.conrelid)
), triggers AS (
  SELECT r.oid, t.oid AS trigger_oid, t.tgenabled, pg_catalog.replace(
           pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(t.oid), '^CREATE (CONSTRAINT )?TRIGGER ', ''), ' ON ' || r.qualified || ' ', ' ') AS definition
    FROM relation r
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = r.oid
    LEFT JOIN pg_catalog.pg_constraint k ON k.oid = t.tgconstraint
   WHERE NOT r.is_parent AND coalesce(k.contype, 't') = 't'  -- not those by which keys are kept; 14 says of clones, too, that they are internal
), policies AS (
  SELECT r.oid, p.oid AS policy_oid, pg_catalog.format('%%I %%s FOR %%s TO %%s%%s%%s', p.polname, CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT pg_catalog.string_agg(CASE WHEN role = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(role)) END, ', ' ORDER BY role)
              FROM pg_catalog.unnest(p.polroles) role),
           ' USING ' || pg_catalog.replace(pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.quote_ident(r.relname) || '.', ''),
           ' WITH CHECK ' || pg_catalog.replace(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), pg_catalog.quote_ident(r.relname) || '.', '')) AS definition
    FROM relation r
    JOIN pg_catalog.pg_policy p ON p.polrelid = r.oid
   WHERE NOT r.is_parent
), statistics AS (
  SELECT r.oid, x.oid AS statistics_oid, coalesce('target ' || nullif(x.stxstattarget, -1), 'no target') AS target,
         (SELECT pg_catalog.string_agg(CASE kind WHEN 'd' THEN 'ndistinct' WHEN 'f' THEN 'dependencies' WHEN 'm' THEN 'mcv' ELSE 'expressions' END, ', ')
            FROM pg_catalog.unnest(x.stxkind) kind) || ' ON ' || pg_catalog.concat_ws(', ',
           (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(c.attname), ', ' ORDER BY c.attname) FROM columns c WHERE c.oid = r.oid AND c.attnum = ANY(x.stxkeys)),
           pg_catalog.array_to_string(pg_catalog.pg_get_statisticsobjdef_expressions(x.oid), ', ')) AS definition
    FROM relation r
    JOIN pg_catalog.pg_statistic_ext x ON x.stxrelid = r.oid
), privileges AS (
  SELECT r.oid, r.relowner, NULL AS column_name, g.*
    FROM relation r, pg_catalog.aclexplode(coalesce(r.relacl, pg_catalog.acldefault('r', r.relowner))) g
   WHERE NOT r.is_parent
  UNION ALL
  SELECT c.oid, c.relowner, c.column_name, g.* FROM columns c, pg_catalog.aclexplode(c.attacl) g WHERE NOT c.is_parent
), described AS (
  SELECT oid, 'table' AS what, 'pg_catalog.pg_class'::pg_catalog.regclass AS class, oid AS object, 0 AS part FROM relation WHERE NOT is_parent
  UNION ALL SELECT oid, 'column ' || column_name, 'pg_catalog.pg_class'::pg_catalog.regclass, oid, attnum FROM columns
  UNION ALL SELECT oid, 'index ' || definition, 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, 0 FROM indexes
  UNION ALL SELECT oid, 'constraint ' || definition, 'pg_catalog.pg_constraint'::pg_catalog.regclass, constraint_oid, 0 FROM constraints
  UNION ALL SELECT oid, 'trigger ' || definition, 'pg_catalog.pg_trigger'::pg_catalog.regclass, trigger_oid, 0 FROM triggers
  UNION ALL SELECT oid, 'policy ' || definition, 'pg_catalog.pg_policy'::pg_catalog.regclass, policy_oid, 0 FROM policies
  UNION ALL SELECT oid, 'statistics ' || definition, 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, statistics_oid, 0 FROM statistics
), trait AS (
  SELECT oid, 'owner' AS sort, NULL AS name, pg_catalog.pg_get_userbyid(relowner)::text AS value FROM relation WHERE NOT is_parent
  UNION ALL
  SELECT r.oid, 'tablespace', NULL, coalesce(ts.spcname::text, 'the default one')
    FROM relation r LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = r.reltablespace WHERE NOT r.is_parent OR r.reltablespace <> 0
  UNION ALL
  SELECT r.oid, 'access method', NULL, am.amname::text FROM relation r JOIN pg_catalog.pg_am am ON am.oid = r.relam
  UNION ALL
  SELECT oid, 'persistence', NULL, CASE relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END FROM relation WHERE NOT is_parent
  UNION ALL
  SELECT r.oid, 'storage parameter', pg_catalog.split_part(option, '=', 1), pg_catalog.substr(option, pg_catalog.strpos(option, '=') + 1)
    FROM relation r, pg_catalog.unnest(r.reloptions) option
  UNION ALL
  SELECT r.oid, 'storage parameter', 'toast.' || pg_catalog.split_part(option, '=', 1), pg_catalog.substr(option, pg_catalog.strpos(option, '=') + 1)
    FROM relation r JOIN pg_catalog.pg_class toast ON toast.oid = r.reltoastrelid, pg_catalog.unnest(toast.reloptions) option
  UNION ALL
  SELECT oid, 'row-level security', NULL, CASE WHEN relrowsecurity THEN 'on' ELSE 'off' END || CASE WHEN relforcerowsecurity THEN ' and forced' ELSE '' END
    FROM relation WHERE NOT is_parent
  UNION ALL
  SELECT oid, 'policy', definition, '' FROM policies
  UNION ALL
  SELECT r.oid, 'replica identity', NULL, CASE r.relreplident WHEN 'd' THEN 'default' WHEN 'f' THEN 'full' WHEN 'n' THEN 'nothing'
           ELSE coalesce('index ' || (SELECT i.definition FROM indexes i WHERE i.oid = r.oid AND i.indisreplident LIMIT 1), 'an index that is gone') END
    FROM relation r WHERE NOT r.is_parent
  UNION ALL
  SELECT p.oid, 'privilege', p.privilege_type || coalesce(' of column ' || p.column_name, '') || ' of '
           || CASE p.grantee WHEN p.relowner THEN 'the owner' WHEN 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(p.grantee)) END,
         CASE WHEN pg_catalog.bool_or(p.is_grantable) AND p.grantee <> p.relowner THEN 'with grant option' ELSE 'without grant option' END
    FROM privileges p GROUP BY p.oid, p.privilege_type, p.column_name, p.grantee, p.relowner
  UNION ALL
  SELECT oid, 'storage of column', column_name, CASE attstorage WHEN 'p' THEN 'plain' WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END
    FROM columns WHERE NOT is_parent OR attstorage <> typstorage
  UNION ALL
  SELECT oid, 'compression of column', column_name, CASE attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' ELSE 'the default one' END
    FROM columns WHERE NOT is_parent OR attcompression <> ''
  UNION ALL
  SELECT oid, 'statistics target of column', column_name, coalesce(nullif(attstattarget, -1)::text, 'not set') FROM columns WHERE NOT is_parent
  UNION ALL
  SELECT oid, 'options of column', column_name,
         coalesce((SELECT pg_catalog.string_agg(o, ', ') FROM pg_catalog.unnest(attoptions) o WHERE NOT pg_catalog.starts_with(o, 'pg_')), 'not set')
    FROM columns WHERE NOT is_parent  -- an option pg_... is the server's own
  UNION ALL
  SELECT oid, 'NOT NULL of column', column_name, CASE WHEN attnotnull THEN 'set' ELSE 'not set' END FROM columns
  UNION ALL
  SELECT c.oid, 'default of column', c.column_name, coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), 'not set')
    FROM columns c LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = c.attnum
  UNION ALL
  SELECT i.oid, 'index', i.definition, CASE WHEN i.indisvalid THEN 'valid' ELSE 'invalid' END || coalesce(', in tablespace ' || ts.spcname, '')
    FROM indexes i LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = i.reltablespace WHERE NOT i.is_parent
  UNION ALL
  SELECT oid, 'constraint', definition, '' FROM constraints WHERE NOT is_parent
  UNION ALL
  SELECT oid, 'trigger', definition, CASE tgenabled WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled' WHEN 'A' THEN 'enabled always' ELSE 'enabled for replicas' END FROM triggers
  UNION ALL
  SELECT r.oid, 'rule', pg_catalog.quote_ident(w.rulename), '' FROM relation r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid WHERE NOT r.is_parent
  UNION ALL
  SELECT oid, 'statistics object', definition, target FROM statistics
  UNION ALL
  SELECT r.oid, 'place in publication', pg_catalog.quote_ident(p.pubname), ''
    FROM relation r JOIN pg_catalog.pg_publication_rel pr ON pr.prrelid = r.oid JOIN pg_catalog.pg_publication p ON p.oid = pr.prpubid WHERE NOT r.is_parent
  UNION ALL
  SELECT d.oid, 'comment on', d.what, CASE d.what WHEN 'table' THEN '' ELSE e.description END  -- that of a table may name its month
    FROM described d JOIN pg_catalog.pg_description e ON e.classoid = d.class AND e.objoid = d.object AND e.objsubid = d.part
)
SELECT DISTINCT oid::bigint AS oid, sort, name, value FROM trait
