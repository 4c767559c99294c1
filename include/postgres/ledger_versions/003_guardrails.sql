-- A hold is on a range of a table, whatever partitions it is cut into and whichever relation holds the rows: it outlives a restore, a dump, and
-- partitions that are made anew. Holds of version 2, on one relation each, become holds on that relation's range.
ALTER TABLE partition_lifecycle.hold RENAME TO hold_of_version_2;
ALTER TABLE partition_lifecycle.hold_of_version_2 RENAME CONSTRAINT hold_pkey TO hold_of_version_2_pkey;
CREATE TABLE partition_lifecycle.hold (
  hold_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  table_schema name NOT NULL,
  table_name   name NOT NULL,
  held_from    timestamptz NOT NULL DEFAULT '-infinity',
  held_to      timestamptz NOT NULL DEFAULT 'infinity',
  reason       text NOT NULL CHECK (reason ~ '\S'),
  held_until   timestamptz,
  held_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  held_by      text NOT NULL DEFAULT session_user,
  lifted_at    timestamptz,
  lifted_by    text,
  CHECK (held_from < held_to)
);
CREATE INDEX hold_by_table ON partition_lifecycle.hold (table_schema, table_name) WHERE lifted_at IS NULL;
COMMENT ON TABLE partition_lifecycle.hold IS 'Partitions that reach into [held_from, held_to) are not archived, detached or dropped before held_until (NULL: before the hold is lifted)';
COMMENT ON COLUMN partition_lifecycle.hold.held_from IS 'Inclusive; for a key of type date or timestamp its wall-clock time, as if it were UTC';
COMMENT ON COLUMN partition_lifecycle.hold.held_to IS 'Exclusive; for a key of type date or timestamp its wall-clock time, as if it were UTC';
INSERT INTO partition_lifecycle.hold (table_schema, table_name, held_from, held_to, reason, held_until, held_at, held_by)
SELECT n.nspname, c.relname, coalesce(e.lower_bound::timestamptz, '-infinity'), coalesce(e.upper_bound::timestamptz, 'infinity'), h.reason, h.held_until,
       h.held_at, h.database_user
  FROM partition_lifecycle.hold_of_version_2 h
  JOIN partition_lifecycle.restored r USING (system_identifier, database_oid)
  JOIN pg_catalog.pg_class c ON c.oid = (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = h.partition_oid)
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN LATERAL (SELECT lower_bound, upper_bound FROM partition_lifecycle.event e
                      WHERE e.parent = r.parent AND e.partition = h.partition AND e.lower_bound IS NOT NULL ORDER BY event_id DESC LIMIT 1) e ON true
 WHERE r.relation_oid = h.partition_oid;
DROP TABLE partition_lifecycle.hold_of_version_2;

CREATE FUNCTION partition_lifecycle.set_hold(
  held regclass, reason text, held_from text DEFAULT '-infinity', held_to text DEFAULT 'infinity', held_until timestamptz DEFAULT NULL, held_by text DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  key_type regtype;
  hold_id  bigint;
BEGIN
  SELECT a.atttypid INTO key_type
    FROM pg_partitioned_table p JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
   WHERE p.partrelid = held AND p.partstrat = 'r' AND p.partnatts = 1;
  IF key_type IS NULL THEN
    RAISE EXCEPTION '% is not partitioned by a range of one column', held;
  END IF;
  INSERT INTO partition_lifecycle.hold (table_schema, table_name, held_from, held_to, reason, held_until, held_by)
  SELECT n.nspname, c.relname,
         CASE WHEN key_type = 'timestamptz'::regtype THEN held_from::timestamptz ELSE held_from::timestamp AT TIME ZONE 'UTC' END,
         CASE WHEN key_type = 'timestamptz'::regtype THEN held_to::timestamptz ELSE held_to::timestamp AT TIME ZONE 'UTC' END,
         set_hold.reason, set_hold.held_until, coalesce(set_hold.held_by, session_user)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
   WHERE c.oid = held
  RETURNING hold.hold_id INTO hold_id;
  RETURN hold_id;
END $$;
COMMENT ON FUNCTION partition_lifecycle.set_hold IS 'Keep what lies in [held_from, held_to) of a partitioned table from expiring, until held_until or until the hold is lifted; returns its number';

CREATE FUNCTION partition_lifecycle.lift_hold(number bigint, lifted_by text DEFAULT NULL) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE partition_lifecycle.hold h SET lifted_at = clock_timestamp(), lifted_by = coalesce(lift_hold.lifted_by, session_user)
   WHERE h.hold_id = number AND h.lifted_at IS NULL;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'there is no hold % that could be lifted', number;
  END IF;
END $$;
COMMENT ON FUNCTION partition_lifecycle.lift_hold IS 'End a hold; the row stays, with who lifted it and when';

-- Which database this ledger was written in. A copy of it elsewhere, or a server that was promoted or recovered to an earlier moment, is not that
-- database until a person says so.
CREATE TABLE partition_lifecycle.home (
  only_row          boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  system_identifier bigint NOT NULL,
  database_oid      oid NOT NULL,
  timeline          text NOT NULL,
  confirmed_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  confirmed_by      name NOT NULL DEFAULT session_user
);
COMMENT ON TABLE partition_lifecycle.home IS 'The database in which partitions may be destroyed by what this ledger says';

CREATE FUNCTION partition_lifecycle.confirm_database() RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO partition_lifecycle.home (system_identifier, database_oid, timeline)
  SELECT (pg_control_system()).system_identifier, d.oid, left(pg_walfile_name(pg_current_wal_lsn()), 8) FROM pg_database d WHERE d.datname = current_database()
  ON CONFLICT (only_row) DO UPDATE
     SET system_identifier = excluded.system_identifier, database_oid = excluded.database_oid, timeline = excluded.timeline,
         confirmed_at = clock_timestamp(), confirmed_by = session_user
$$;
COMMENT ON FUNCTION partition_lifecycle.confirm_database IS 'Say that this database goes on where the ledger ends: partitions may be detached and dropped here';

-- A ledger that came from elsewhere belongs to where its newest entry was written.
SELECT partition_lifecycle.confirm_database();
UPDATE partition_lifecycle.home SET (system_identifier, database_oid) = (
  SELECT system_identifier, database_oid
    FROM (SELECT system_identifier, database_oid, recorded_at AS moment FROM partition_lifecycle.archive
          UNION ALL SELECT system_identifier, database_oid, announced_at FROM partition_lifecycle.detached_partition) written
   ORDER BY moment DESC LIMIT 1)
 WHERE EXISTS (SELECT FROM partition_lifecycle.archive) OR EXISTS (SELECT FROM partition_lifecycle.detached_partition);

-- The retention of each table at its last run: one that is suddenly much shorter is more often a typo than a wish.
CREATE TABLE partition_lifecycle.retention (
  table_schema name NOT NULL,
  table_name   name NOT NULL,
  retention    text NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  recorded_by  name NOT NULL DEFAULT session_user,
  PRIMARY KEY (table_schema, table_name)
);
COMMENT ON TABLE partition_lifecycle.retention IS 'By which retention each table expired at its last run; see confirm_retention';

CREATE FUNCTION partition_lifecycle.confirm_retention(confirmed regclass, retention text) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
  INSERT INTO partition_lifecycle.retention (table_schema, table_name, retention)
  SELECT n.nspname, c.relname, confirm_retention.retention FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = confirmed
  ON CONFLICT (table_schema, table_name) DO UPDATE SET retention = excluded.retention, recorded_at = clock_timestamp(), recorded_by = session_user
$$;
COMMENT ON FUNCTION partition_lifecycle.confirm_retention IS 'Say that a retention much shorter than the last one is meant, as the policy now has it, such as ''2 months''';

-- What was done with one relation, in a history of many.
CREATE INDEX event_by_partition ON partition_lifecycle.event (partition_oid, action);
