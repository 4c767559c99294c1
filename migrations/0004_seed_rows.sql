-- 0004: rows to look after: 2,000 users, and seed.rows rows in each of core.sessions and system.audit_trails.
--
-- Why: partitions without rows prove nothing. The rows are made to be awkward in the ways real ones are: NULLs next to
-- empty values, NULLs inside arrays, line breaks, quotes, commas, backslashes and several scripts in text, IPv4 and
-- IPv6, numbers that need their trailing zeros, and in every month a row on its first microsecond (and, given rows enough
-- for every day, one on its last if the month is over).
--
-- Settings: seed.as_of (a date written YYYY-MM-DD; unset or empty means today in UTC), seed.rows (unset or empty means
-- 300000). Nothing else goes in: every value is computed from the row's number, so the same settings give the same
-- rows on any server. No row is later than the first instant of the as-of day, hence none is in the future.
--
-- Safe to run again: each table is filled only while it is empty, so a run after old partitions were dropped adds
-- nothing. There is no ANALYZE at the end on purpose: the DAG's analyze step must have something to do.

-- How many rows each day gets. Traffic grows over the months, falls at weekends and varies from day to day; each
-- month gets one row on its first day beforehand, so that none is empty however few rows are asked for.
DROP TABLE IF EXISTS pg_temp.seed_days;
CREATE TEMPORARY TABLE seed_days AS
WITH settings AS (
  SELECT
    coalesce(nullif(current_setting('seed.as_of', true), '')::date, (current_timestamp AT TIME ZONE 'UTC')::date)::timestamp AS as_of,
    coalesce(nullif(current_setting('seed.rows', true), '')::bigint, 300000) AS wanted
), days AS (
  SELECT
    settings.as_of,
    settings.wanted,
    target.name AS target,
    day,
    extract(day FROM day) = 1 AS opens_month,
    extract(day FROM day + interval '1 day') = 1 AS closes_month,
    -- The as-of day itself is listed only when it opens its month; weight 0 leaves it with that month's one row.
    CASE
      WHEN day = settings.as_of THEN 0
      ELSE
        (1000 + (day::date - first_day::date))
        * CASE WHEN extract(isodow FROM day) >= 6 THEN 55 ELSE 100 END
        * (80 + (hashint8extended(day::date - DATE '2000-01-01', target.salt) & 63))
    END::bigint AS weight
  FROM settings
  CROSS JOIN (VALUES ('sessions', 101), ('audit_trails', 102)) AS target (name, salt)
  CROSS JOIN LATERAL (
    SELECT
      date_trunc('month', settings.as_of) - interval '27 months' AS first_day,
      greatest(settings.as_of - interval '1 day', date_trunc('month', settings.as_of)) AS last_day
  ) AS span
  CROSS JOIN LATERAL generate_series(span.first_day, span.last_day, interval '1 day') AS day
), shares AS (
  SELECT
    *,
    count(*) FILTER (WHERE opens_month) OVER so_far AS months_so_far,
    sum(weight) OVER so_far AS weight_so_far,
    sum(weight) OVER (PARTITION BY target) AS weight_in_all
  FROM days
  WINDOW so_far AS (PARTITION BY target ORDER BY day)
), cumulated AS (
  SELECT
    *,
    (least(months_so_far, wanted) + div(greatest(wanted - 28, 0) * weight_so_far, weight_in_all))::bigint AS last_row
  FROM shares
)
SELECT
  target,
  as_of,
  day,
  opens_month,
  closes_month,
  lag(last_row, 1, 0::bigint) OVER (PARTITION BY target ORDER BY day) + 1 AS first_row,
  last_row
FROM cumulated
ORDER BY target, day;

INSERT INTO auth.users (id, email, display_name, created_at)
SELECT
  md5('auth.users:' || n)::uuid,
  'user' || lpad(n::text, 4, '0') || '@example.org',
  (ARRAY['Zoë', 'José', 'Anna', 'Łukasz', 'Ольга', 'James', 'Søren', 'Nguyễn', '山田', 'Mary', 'Ελένη', 'D''Arcy', 'محمد'])[1 + n % 13]
    || ' '
    || (ARRAY['Müller', 'Smith', 'García', 'Żółkowski', 'O''Neil', '太郎', 'Ångström', 'Brown', 'Çelik', 'Иванова', '🙂'])[1 + n % 11],
  -- All of them signed up in the 500 days before the oldest session.
  (first_day - n * interval '6 hours') AT TIME ZONE 'UTC'
FROM generate_series(1, 2000) AS n
CROSS JOIN (SELECT min(day) AS first_day FROM seed_days) AS span
WHERE NOT EXISTS (SELECT FROM auth.users);

INSERT INTO core.sessions (
  id, user_id, created_at, last_seen_at, ip, user_agent, device, tags, score, note, is_mobile, request_count
)
SELECT
  md5('core.sessions:' || n)::uuid,
  -- The square makes some users far busier than others.
  md5('auth.users:' || 1 + floor(2000 * power((h.a & 65535) / 65536.0::double precision, 2))::integer)::uuid,
  moment.created_at,
  CASE
    WHEN h.b % 100 < 8 THEN NULL
    ELSE least(moment.created_at + (h.b % 14400) * interval '1 second', days.as_of AT TIME ZONE 'UTC')
  END,
  CASE
    WHEN h.c % 100 < 3 THEN NULL
    WHEN h.c % 100 < 25 THEN inet '2001:db8::' + h.d * 65537
    ELSE inet '10.0.0.0' + (h.d & 16777215)
  END,
  (ARRAY[
    'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148',
    'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile Safari/537.36',
    'acme-app/4.2.1 (Android 14; "Galaxy S24"; pt-BR)',
    'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36',
    'Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15',
    'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
    'curl/8.9.1',
    NULL
  ])[1 + h.agent],
  CASE
    WHEN h.c % 40 = 0 THEN NULL
    WHEN h.c % 40 = 1 THEN '{}'::jsonb
    ELSE jsonb_build_object(
      'os', (ARRAY['ios', 'android', 'android', 'windows', 'macos', 'linux', NULL, NULL])[1 + h.agent],
      'model', (ARRAY['Pixel 9', '14" laptop', 'Xperia 1 \ VI', 'tablette d''été', '小米 14'])[1 + h.d % 5],
      'screen', jsonb_build_array(320 + h.d % 7 * 160, 640 + h.d % 5 * 128),
      'locale', (ARRAY['en-GB', 'pt-BR', 'de-DE', 'ja-JP', 'ru-RU', 'en-US'])[1 + h.c % 6],
      'app', CASE WHEN h.agent = 2 THEN jsonb_build_object('version', '4.2.1', 'beta', h.d % 10 = 0, 'ratio', 1.50) END
    )
  END,
  CASE h.b % 16
    WHEN 0 THEN NULL
    WHEN 1 THEN '{}'::text[]
    WHEN 2 THEN ARRAY['web', NULL]
    WHEN 3 THEN ARRAY[NULL]::text[]
    WHEN 4 THEN ARRAY['with, comma', 'with "quote"', 'back\slash', '', 'NULL']
    WHEN 5 THEN ARRAY['día', '試験', '{curly}']
    WHEN 6 THEN ARRAY['beta', 'cohort-' || h.d % 40]
    ELSE ARRAY[CASE WHEN h.agent < 3 THEN 'mobile' ELSE 'web' END, 'cohort-' || h.d % 40]
  END,
  CASE WHEN h.a % 12 = 0 THEN NULL WHEN h.a % 12 = 1 THEN 0 ELSE (h.a % 1999999 - 999999) / 100.0 END,
  CASE h.d % 20
    WHEN 0 THEN ''
    WHEN 1 THEN E'Called at noon.\nNo answer; "try again", she said.\r\n\tTicket ' || n
    WHEN 2 THEN 'C:\temp\new, then \N and \\server\share'
    WHEN 3 THEN 'naïve café — 東京 – Привет 🙂 ' || n
    WHEN 4 THEN 'it''s, "quoted", 100 % sure; {} $1 $$'
    WHEN 5 THEN '  leading and trailing  '
    WHEN 6 THEN 'NULL'
    WHEN 7 THEN repeat('A long remark, ', (3 + h.c % 30)::integer) || n
    WHEN 8 THEN 'Refunded order ' || h.c
    ELSE NULL
  END,
  h.agent < 3,
  1 + (h.c % 50 * (h.d % 50) / 10)::integer
FROM seed_days AS days
CROSS JOIN LATERAL generate_series(days.first_row, days.last_row) AS n
CROSS JOIN LATERAL (
  SELECT
    hashint8extended(n, 1) & 2147483647 AS a,
    hashint8extended(n, 2) & 2147483647 AS b,
    hashint8extended(n, 3) & 2147483647 AS c,
    hashint8extended(n, 4) & 2147483647 AS d,
    (hashint8extended(n, 5) & 7)::integer AS agent
) AS h
-- v runs from -0.5 to 0.5 over the day's rows; the cubic crowds them around noon. Plain arithmetic, no sin(): its last
-- digit is not the same everywhere.
CROSS JOIN LATERAL (
  SELECT (n - days.first_row + (h.a & 1023) / 1024.0::double precision) / (days.last_row - days.first_row + 1) - 0.5 AS v
) AS place
CROSS JOIN LATERAL (
  SELECT
    (
      days.day + interval '1 microsecond' * CASE
        WHEN days.opens_month AND n = days.first_row THEN 0
        WHEN days.closes_month AND n = days.last_row THEN 86399999999
        ELSE greatest(floor(86399999999 * (0.5 + 0.4 * v + 2.4 * v * v * v)), 0)
      END
    ) AT TIME ZONE 'UTC' AS created_at
) AS moment
WHERE days.target = 'sessions'
  AND NOT EXISTS (SELECT FROM core.sessions);

-- A block, because the identity sequence may be moved only by the run that put the rows in.
DO $body$
DECLARE
  wanted bigint := (SELECT max(last_row) FROM seed_days WHERE target = 'audit_trails');
BEGIN
  IF wanted <= 0 OR EXISTS (SELECT FROM system.audit_trails) THEN
    RETURN;
  END IF;

  INSERT INTO system.audit_trails (
    id, user_id, created_at, action, entity, entity_id, old_values, new_values, client, cost, message, labels
  )
  -- The id is given rather than drawn, so that it does not hang on the order in which the rows happen to arrive.
  OVERRIDING SYSTEM VALUE
  SELECT
    n,
    CASE
      WHEN h.b % 100 < 15 AND what.action NOT IN ('login', 'logout') THEN NULL
      ELSE md5('auth.users:' || 1 + floor(2000 * power((h.a & 65535) / 65536.0::double precision, 2))::integer)::uuid
    END,
    moment.created_at,
    what.action,
    CASE
      WHEN what.action IN ('login', 'logout') THEN 'session'
      ELSE (ARRAY['invoice', 'report', 'session', 'user', 'api_key'])[1 + h.c % 5]
    END,
    CASE WHEN what.action IN ('login', 'logout') THEN NULL ELSE md5('entity:' || h.c % 50000)::uuid END,
    CASE WHEN what.action IN ('update', 'delete') THEN what.state END,
    CASE
      WHEN what.action = 'create' THEN what.state
      WHEN what.action = 'update' THEN what.state || jsonb_build_object(
        'status', (ARRAY['open', 'paid', 'void', 'naïve', NULL])[1 + h.d % 5],
        'revision', 1 + h.d % 9
      )
    END,
    CASE
      WHEN h.d % 100 < 5 THEN NULL
      WHEN h.d % 100 < 10 THEN set_masklen(inet '192.168.0.0' + h.d % 200 * 256, 24)
      WHEN h.d % 100 < 30 THEN inet '2001:db8:1::' + h.c * 65537
      ELSE inet '172.16.0.0' + (h.c & 1048575)
    END,
    CASE
      WHEN h.a % 10 < 3 THEN NULL
      WHEN h.a % 5000 = 3 THEN 99999999.9999
      WHEN h.a % 10 = 4 THEN 0
      ELSE (h.d % 20000001 - 2000000) / 10000.0
    END,
    CASE h.c % 12
      WHEN 0 THEN NULL
      WHEN 1 THEN ''
      WHEN 2 THEN E'Rejected:\n  field "amount", line 3\r\n  value ''1,50''\ttab'
      WHEN 3 THEN 'path D:\data\new\table.csv, \N, "x\"y"'
      WHEN 4 THEN 'Änderung an 注文 № ' || h.d || ' — готово ✅'
      ELSE what.action || ' from the console, request ' || to_hex(h.d)
    END,
    CASE h.d % 14
      WHEN 0 THEN NULL
      WHEN 1 THEN '{}'::text[]
      WHEN 2 THEN ARRAY['gdpr', NULL, 'export']
      WHEN 3 THEN ARRAY[NULL]::text[]
      WHEN 4 THEN ARRAY['a,b', '"', '\', '', 'NULL', 'señal']
      ELSE ARRAY['region-' || h.c % 6, 'v' || h.a % 3]
    END
  FROM seed_days AS days
  CROSS JOIN LATERAL generate_series(days.first_row, days.last_row) AS n
  CROSS JOIN LATERAL (
    SELECT
      hashint8extended(n, 21) & 2147483647 AS a,
      hashint8extended(n, 22) & 2147483647 AS b,
      hashint8extended(n, 23) & 2147483647 AS c,
      hashint8extended(n, 24) & 2147483647 AS d
  ) AS h
  CROSS JOIN LATERAL (
    SELECT
      (ARRAY[
        'login', 'login', 'login', 'logout', 'logout', 'create', 'create', 'create', 'update', 'update', 'update', 'update',
        'update', 'update', 'export', 'delete'
      ])[1 + (h.b >> 8) % 16] AS action,
      jsonb_build_object(
        'status', 'open',
        'amount', round((h.d % 100000) / 100.0, 2),
        'owner', jsonb_build_object(
          'name', (ARRAY['Zoë', 'O''Neil', 'Li "Lee" Wei'])[1 + h.a % 3],
          'roles', jsonb_build_array('admin', NULL)
        ),
        'revision', 1
      ) AS state
  ) AS what
  CROSS JOIN LATERAL (
    SELECT (n - days.first_row + (h.a & 1023) / 1024.0::double precision) / (days.last_row - days.first_row + 1) - 0.5 AS v
  ) AS place
  CROSS JOIN LATERAL (
    SELECT
      (
        days.day + interval '1 microsecond' * CASE
          WHEN days.opens_month AND n = days.first_row THEN 0
          WHEN days.closes_month AND n = days.last_row THEN 86399999999
          ELSE greatest(floor(86399999999 * (0.5 + 0.4 * v + 2.4 * v * v * v)), 0)
        END
      ) AT TIME ZONE 'UTC' AS created_at
  ) AS moment
  WHERE days.target = 'audit_trails';

  PERFORM setval(pg_get_serial_sequence('system.audit_trails', 'id'), wanted);
END
$body$;

DROP TABLE pg_temp.seed_days;
