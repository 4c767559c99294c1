-- 0002: core.sessions, partitioned by month of created_at, with 28 months of partitions.
--
-- Why: the first of the two tables whose partitions the DAGs create, check, archive and drop. The partitions run from
-- 27 months before the as-of month up to the as-of month itself. There is none for the future: making those is the
-- DAG's work.
--
-- Setting: seed.as_of (a date written YYYY-MM-DD; unset or empty means today in UTC).
--
-- Safe to run again: what exists is left alone. The partitions are made only while the table has none, because from
-- then on the lifecycle owns them: a later run must not bring back a month that has been dropped or detached.

CREATE TABLE IF NOT EXISTS core.sessions (
  id uuid NOT NULL DEFAULT gen_random_uuid(),
  user_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_seen_at timestamptz,
  ip inet,
  user_agent text,
  device jsonb,
  tags text[],
  score numeric(8,2),
  note text,
  is_mobile boolean NOT NULL DEFAULT false,
  request_count integer NOT NULL DEFAULT 0,
  -- A unique key of a partitioned table has to hold the column it is partitioned by.
  CONSTRAINT sessions_pkey PRIMARY KEY (id, created_at),
  CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE
) PARTITION BY RANGE (created_at);

COMMENT ON TABLE core.sessions IS 'One row per session of a user. Partitioned by month (UTC) of created_at: sessions_pYYYYMM.';
COMMENT ON COLUMN core.sessions.created_at IS 'Start of the session; decides the partition and never changes.';
COMMENT ON COLUMN core.sessions.last_seen_at IS 'Time of the last request, NULL while the session is open.';
COMMENT ON COLUMN core.sessions.device IS 'What the client says of itself: os, model, screen, locale, app. Keys may be missing.';
COMMENT ON COLUMN core.sessions.tags IS 'Free labels. NULL: never labelled; empty: labels removed; an element may be NULL.';
COMMENT ON COLUMN core.sessions.note IS 'Free text of the support team, kept as typed (line breaks, quotes, backslashes).';

-- One user's sessions by time. It also serves the cascade when a user is deleted.
CREATE INDEX IF NOT EXISTS sessions_user_id_created_at_idx ON core.sessions (user_id, created_at);
-- Sessions that carry a label: tags @> ARRAY['beta'].
CREATE INDEX IF NOT EXISTS sessions_tags_idx ON core.sessions USING gin (tags);
-- The few sessions that are still open, oldest first, for the job that closes them.
CREATE INDEX IF NOT EXISTS sessions_open_idx ON core.sessions (created_at) WHERE last_seen_at IS NULL;

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
  IF EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'core.sessions'::regclass) THEN
    RETURN;
  END IF;

  FOR back IN REVERSE 27..0 LOOP
    month := newest - make_interval(months => back);
    partition_name := 'sessions_p' || to_char(month, 'YYYYMM');
    -- Written with their offset in ISO form, so that neither TimeZone nor DateStyle has a say in what they mean.
    lower_bound := to_char(month, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound := to_char(month + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00';

    -- The CHECK says what the partition's bounds say. It stays with the table when it is detached, and lets
    -- ATTACH PARTITION skip the scan.
    EXECUTE format(
      'CREATE TABLE core.%1$I PARTITION OF core.sessions ('
      ' CONSTRAINT %2$I CHECK (created_at IS NOT NULL AND created_at >= TIMESTAMPTZ %3$L AND created_at < TIMESTAMPTZ %4$L)'
      ') FOR VALUES FROM (%3$L) TO (%4$L)',
      partition_name, partition_name || '_bounds', lower_bound, upper_bound
    );
  END LOOP;
END
$body$;
