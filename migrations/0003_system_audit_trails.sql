-- 0003: system.audit_trails, partitioned by month of created_at, with 28 months of partitions.
--
-- Why: the second of the two tables whose partitions the DAGs look after. It differs from core.sessions where that
-- matters to them: an identity column, a foreign key that may be NULL and does not cascade, two jsonb columns.
--
-- Setting: seed.as_of (a date written YYYY-MM-DD; unset or empty means today in UTC).
--
-- Safe to run again: what exists is left alone. The partitions are made only while the table has none, because from
-- then on the lifecycle owns them: a later run must not bring back a month that has been dropped or detached.

CREATE TABLE IF NOT EXISTS system.audit_trails (
  id bigint GENERATED ALWAYS AS IDENTITY,
  user_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  action text NOT NULL,
  entity text NOT NULL,
  entity_id uuid,
  old_values jsonb,
  new_values jsonb,
  client inet,
  cost numeric(12,4),
  message text,
  labels text[],
  -- A unique key of a partitioned table has to hold the column it is partitioned by.
  CONSTRAINT audit_trails_pkey PRIMARY KEY (id, created_at),
  -- No action: a user with a trail cannot be deleted before the trail is gone.
  CONSTRAINT audit_trails_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users (id)
) PARTITION BY RANGE (created_at);

COMMENT ON TABLE system.audit_trails IS 'Who did what to what. Partitioned by month (UTC) of created_at: audit_trails_pYYYYMM.';
COMMENT ON COLUMN system.audit_trails.user_id IS 'The actor; NULL when the system itself acted.';
COMMENT ON COLUMN system.audit_trails.created_at IS 'When it happened; decides the partition and never changes.';
COMMENT ON COLUMN system.audit_trails.old_values IS 'The entity before; NULL when there was none or nothing was changed.';
COMMENT ON COLUMN system.audit_trails.new_values IS 'The entity after; NULL when it was deleted or nothing was changed.';
COMMENT ON COLUMN system.audit_trails.client IS 'Address of the caller, or the network (such as 192.168.4.0/24) of an internal job.';
COMMENT ON COLUMN system.audit_trails.cost IS 'Charged to the account in its currency; negative for a refund.';

-- One user's trail by time. It also serves the look-up when a user is deleted.
CREATE INDEX IF NOT EXISTS audit_trails_user_id_created_at_idx ON system.audit_trails (user_id, created_at);
-- Changes to a given value: new_values @> '{"status": "paid"}'. jsonb_path_ops: smaller, and @> is all that is asked.
CREATE INDEX IF NOT EXISTS audit_trails_new_values_idx ON system.audit_trails USING gin (new_values jsonb_path_ops);
-- Deletions are few and are what an auditor asks for first.
CREATE INDEX IF NOT EXISTS audit_trails_deletions_idx ON system.audit_trails (entity, created_at) WHERE action = 'delete';

DO $body$
DECLARE
  as_of date := coalesce(nullif(current_setting('seed.as_of', true), '')::date, (current_timestamp AT TIME ZONE 'UTC')::date);
  -- Months are reckoned on timestamp without time zone: on timestamptz they would follow the session's TimeZone.
  newest timestamp := date_trunc('month', as_of::timestamp);
  month timestamp;
  partition_name text;
  lower_bound text;
  upper_bound text;
BEGIN
  IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'system.audit_trails'::regclass) THEN
    RETURN;
  END IF;

  FOR back IN REVERSE 27..0 LOOP
    month := newest - make_interval(months => back);
    partition_name := 'audit_trails_p' || to_char(month, 'YYYYMM');
    -- Written with their offset in ISO form, so that neither TimeZone nor DateStyle has a say in what they mean.
    lower_bound := to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound := to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00';

    -- The CHECK says what the partition's bounds say. It stays with the table when it is detached, and lets
    -- ATTACH PARTITION skip the scan.
    EXECUTE format(
      'CREATE TABLE system.%1$I PARTITION OF system.audit_trails ('
      ' CONSTRAINT %2$I CHECK (created_at IS NOT NULL AND created_at >= TIMESTAMPTZ %3$L AND created_at < TIMESTAMPTZ %4$L)'
      ') FOR VALUES FROM (%3$L) TO (%4$L)',
      partition_name, partition_name || '_bounds', lower_bound, upper_bound
    );
  END LOOP;
END
$body$;
