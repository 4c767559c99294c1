-- Checks that the database is as the numbered scripts leave it, and raises an exception on the first thing that is not.
--
-- Why: the DAGs promise to keep these properties, so a demonstration or a test has to begin with all of them. Meant
-- for the moment right after seeding, with the same seed.as_of and seed.rows; once the DAGs have made or dropped
-- partitions, the number of partitions and of rows rightly differ. Changes nothing.

-- The structure of the two partitioned tables.
DO $body$
DECLARE
  as_of date := coalesce(nullif(current_setting('seed.as_of', true), '')::date, (current_timestamp AT TIME ZONE 'UTC')::date);
  newest timestamp := date_trunc('month', as_of::timestamp);
  -- Definitions are compared as text, and bounds are written out in the session's TimeZone and DateStyle.
  session_zone text := current_setting('TimeZone');
  session_style text := current_setting('DateStyle');
  parent record;
  part record;
  wanted_name text;
  lower_bound text;
  upper_bound text;
  wanted text;
  actual text;
  amount bigint;
BEGIN
  PERFORM set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true);

  FOR parent IN
    SELECT
      expected.*,
      to_regclass(expected.name) AS oid,
      split_part(expected.name, '.', 2) AS short_name
    FROM (
      VALUES
        (
          'core.sessions',
          'FOREIGN KEY (user_id) REFERENCES auth.users(id) ON DELETE CASCADE',
          ARRAY['sessions_open_idx', 'sessions_pkey', 'sessions_tags_idx', 'sessions_user_id_created_at_idx']
        ),
        (
          'system.audit_trails',
          'FOREIGN KEY (user_id) REFERENCES auth.users(id)',
          ARRAY['audit_trails_deletions_idx', 'audit_trails_new_values_idx', 'audit_trails_pkey', 'audit_trails_user_id_created_at_idx']
        )
    ) AS expected (name, foreign_key, indexes)
  LOOP
    IF parent.oid IS NULL THEN
      RAISE EXCEPTION '% does not exist', parent.name;
    END IF;

    SELECT pg_get_partkeydef(parent.oid) INTO actual;
    IF actual IS DISTINCT FROM 'RANGE (created_at)' THEN
      RAISE EXCEPTION '% is partitioned by %, not by RANGE (created_at)', parent.name, coalesce(actual, 'nothing');
    END IF;

    IF EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = parent.oid AND partdefid <> 0) THEN
      RAISE EXCEPTION '% has a default partition', parent.name;
    END IF;

    SELECT count(*) INTO amount FROM pg_inherits WHERE inhparent = parent.oid;
    IF amount <> 28 THEN
      RAISE EXCEPTION '% has % partitions, not 28', parent.name, amount;
    END IF;

    -- What the parent declares; that the partitions have it too is checked below against the parent.
    SELECT string_agg(name, ', ') INTO actual
    FROM unnest(parent.indexes) AS name
    WHERE NOT EXISTS (
      SELECT FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
      WHERE indrelid = parent.oid AND relname = name AND indisvalid
    );
    IF actual IS NOT NULL THEN
      RAISE EXCEPTION '% lacks, or has not valid, the index: %', parent.name, actual;
    END IF;

    SELECT pg_get_constraintdef(oid) INTO actual FROM pg_constraint WHERE conrelid = parent.oid AND contype = 'p';
    IF actual IS DISTINCT FROM 'PRIMARY KEY (id, created_at)' THEN
      RAISE EXCEPTION '% has the primary key %, not PRIMARY KEY (id, created_at)', parent.name, coalesce(actual, 'none');
    END IF;

    SELECT string_agg(pg_get_constraintdef(oid), '; ') INTO actual
    FROM pg_constraint
    WHERE conrelid = parent.oid AND contype = 'f' AND conparentid = 0;
    IF actual IS DISTINCT FROM parent.foreign_key THEN
      RAISE EXCEPTION '% has the foreign key %, not %', parent.name, coalesce(actual, 'none'), parent.foreign_key;
    END IF;

    FOR back IN REVERSE 27..0 LOOP
      wanted_name := parent.short_name || '_p' || to_char(newest - make_interval(months => back), 'YYYYMM');
      lower_bound := quote_literal(to_char(newest - make_interval(months => back), 'YYYY-MM-DD') || ' 00:00:00+00');
      upper_bound := quote_literal(to_char(newest - make_interval(months => back - 1), 'YYYY-MM-DD') || ' 00:00:00+00');

      SELECT pg_class.oid, relnamespace, pg_get_expr(relpartbound, pg_class.oid) AS bound INTO part
      FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = parent.oid AND relname = wanted_name;
      IF NOT FOUND THEN
        RAISE EXCEPTION '% has no partition %', parent.name, wanted_name;
      END IF;

      IF part.relnamespace <> (SELECT relnamespace FROM pg_class WHERE oid = parent.oid) THEN
        RAISE EXCEPTION 'partition % is not in the schema of %', wanted_name, parent.name;
      END IF;

      wanted := format('FOR VALUES FROM (%s) TO (%s)', lower_bound, upper_bound);
      IF part.bound IS DISTINCT FROM wanted THEN
        RAISE EXCEPTION 'partition % is %, not %', wanted_name, part.bound, wanted;
      END IF;

      SELECT pg_get_constraintdef(oid) INTO actual
      FROM pg_constraint
      WHERE conrelid = part.oid AND contype = 'c' AND conname = wanted_name || '_bounds' AND convalidated;
      IF NOT FOUND THEN
        RAISE EXCEPTION 'partition % has no validated CHECK %_bounds', wanted_name, wanted_name;
      END IF;
      wanted := format(
        'CHECK (((created_at IS NOT NULL) AND (created_at >= %s::timestamp with time zone) AND (created_at < %s::timestamp with time zone)))',
        lower_bound, upper_bound
      );
      IF actual <> wanted THEN
        RAISE EXCEPTION 'partition % has the bounds %, not %', wanted_name, actual, wanted;
      END IF;

      SELECT string_agg(above.conname, ', ') INTO actual
      FROM pg_constraint AS above
      WHERE above.conrelid = parent.oid
        AND (above.contype = 'p' OR (above.contype = 'f' AND above.conparentid = 0))
        AND NOT EXISTS (
          SELECT FROM pg_constraint AS own
          WHERE own.conrelid = part.oid AND own.conparentid = above.oid AND own.contype = above.contype AND own.convalidated
        );
      IF actual IS NOT NULL THEN
        RAISE EXCEPTION 'partition % has not taken over, or not validated, the constraint: %', wanted_name, actual;
      END IF;

      SELECT string_agg(above.indexrelid::regclass::text, ', ') INTO actual
      FROM pg_index AS above
      WHERE above.indrelid = parent.oid
        AND NOT EXISTS (
          SELECT FROM pg_inherits JOIN pg_index AS own ON own.indexrelid = inhrelid
          WHERE inhparent = above.indexrelid AND own.indrelid = part.oid AND own.indisvalid AND own.indisready
        );
      IF actual IS NOT NULL THEN
        RAISE EXCEPTION 'partition % has no valid index attached to: %', wanted_name, actual;
      END IF;
    END LOOP;
  END LOOP;

  PERFORM set_config('TimeZone', session_zone, true), set_config('DateStyle', session_style, true);
END
$body$;

-- The rows.
DO $body$
DECLARE
  as_of date := coalesce(nullif(current_setting('seed.as_of', true), '')::date, (current_timestamp AT TIME ZONE 'UTC')::date);
  wanted bigint := coalesce(nullif(current_setting('seed.rows', true), '')::bigint, 300000);
  parent text;
  counts record;
BEGIN
  SELECT count(*) AS users INTO counts FROM auth.users;
  IF counts.users <> 2000 THEN
    RAISE EXCEPTION 'auth.users has % rows, not 2000', counts.users;
  END IF;

  FOREACH parent IN ARRAY ARRAY['core.sessions', 'system.audit_trails'] LOOP
    -- Grouped by the month that each row works out to: a WHERE on created_at could be answered from the very bounds
    -- that are in doubt.
    EXECUTE format(
      'SELECT'
      ' coalesce(sum(amount), 0) AS amount,'
      ' count(DISTINCT month) AS months,'
      ' string_agg(partition_name, '', '') FILTER (WHERE partition_name <> %L || ''_p'' || to_char(month, ''YYYYMM'')) AS astray,'
      ' max(latest) AS latest'
      ' FROM ('
      '   SELECT'
      '   relname AS partition_name,'
      '   date_trunc(''month'', created_at AT TIME ZONE ''UTC'') AS month,'
      '   count(*) AS amount,'
      '   max(created_at AT TIME ZONE ''UTC'') AS latest'
      '   FROM %s AS source JOIN pg_class ON pg_class.oid = source.tableoid'
      '   GROUP BY relname, month'
      ' ) AS by_month',
      split_part(parent, '.', 2), parent::regclass
    ) INTO counts;

    IF counts.astray IS NOT NULL THEN
      RAISE EXCEPTION '% has rows outside the bounds of their partition: %', parent, counts.astray;
    END IF;
    IF counts.amount <> wanted THEN
      RAISE EXCEPTION '% has % rows, not %', parent, counts.amount, wanted;
    END IF;
    -- Fewer than 28 rows cannot reach every month.
    IF counts.months <> least(28, wanted) THEN
      RAISE EXCEPTION '% has rows in % months, not in %', parent, counts.months, least(28, wanted);
    END IF;
    IF counts.latest > as_of::timestamp THEN
      RAISE EXCEPTION '% has a row at % UTC, later than the start of the as-of day %', parent, counts.latest, as_of;
    END IF;
  END LOOP;

  SELECT max(id) AS highest, pg_sequence_last_value(pg_get_serial_sequence('system.audit_trails', 'id')::regclass) AS drawn
  INTO counts
  FROM system.audit_trails;
  IF counts.highest > coalesce(counts.drawn, 0) THEN
    RAISE EXCEPTION 'the next id of system.audit_trails would collide: highest %, sequence at %', counts.highest, counts.drawn;
  END IF;
END
$body$;
