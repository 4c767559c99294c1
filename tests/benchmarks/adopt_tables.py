"""The table that `make bench-adopt` moves: like core.sessions of the decision record before it was partitioned; and the obvious way to move it."""

import time
from itertools import pairwise
from typing import Any

import psycopg

MONTHS = 24
FIRST, LAST = "2024-12-01 00:00+00", "2026-12-01 00:00+00"
AS_OF = "2026-11-30T12:00:00+00:00"
USERS = 20_000
BATCH = 10_000

COLUMNS = """
  id uuid NOT NULL DEFAULT gen_random_uuid(), user_id uuid NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), last_seen_at timestamptz,
  ip inet, user_agent text, device jsonb, tags text[], score numeric(8,2), note text, is_mobile boolean NOT NULL DEFAULT false,
  request_count integer NOT NULL DEFAULT 0, CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES auth.users (id) ON DELETE CASCADE
"""
INDEXES = """
CREATE INDEX sessions_user_id_created_at_idx ON {schema}.sessions (user_id, created_at);
CREATE INDEX sessions_created_at_idx ON {schema}.sessions (created_at);
CREATE INDEX sessions_tags_idx ON {schema}.sessions USING gin (tags);
CREATE INDEX sessions_open_idx ON {schema}.sessions (created_at) WHERE last_seen_at IS NULL;
"""
ROWS = """
INSERT INTO core.sessions
SELECT md5('session ' || g)::uuid, md5('user ' || 1 + g * 7919 % {users})::uuid, at, CASE WHEN g % 12 > 0 THEN at + g % 14400 * interval '1 second' END,
       inet '10.0.0.0' + g % 16777215, 'acme-app/4.2.' || g % 40 || ' (Android 14; "Galaxy S24"; pt-BR)',
       CASE WHEN g % 40 > 0 THEN jsonb_build_object('os', (ARRAY['ios', 'android', 'windows', 'linux'])[1 + g % 4], 'screen', jsonb_build_array(320 + g % 7 * 160, 640),
         'locale', (ARRAY['en-GB', 'pt-BR', 'de-DE', 'ja-JP'])[1 + g % 4 * 7 % 4]) END,
       ARRAY[(ARRAY['mobile', 'web', 'beta'])[1 + g % 3], 'cohort-' || g % 40], g % 1999999 / 100.0,
       CASE WHEN g % 5 = 0 THEN repeat('A remark of the support team, ', (1 + g % 6)::integer) || g END, g % 3 = 0, (g % 500)::integer
  FROM generate_series(1, {rows}::bigint) g, LATERAL (SELECT timestamptz '{first}' + (timestamptz '{last}' - timestamptz '{first}') / {rows} * (g - 1) AS at) t
"""
PARTITIONS = f"""
SELECT format('CREATE TABLE later.sessions_p%s PARTITION OF later.sessions FOR VALUES FROM (%L) TO (%L)', to_char(m, 'YYYYMM'), m, m + interval '1 month')
  FROM generate_series(timestamp '{FIRST[:10]}', timestamp '{LAST[:10]}' + interval '2 months', interval '1 month') m
"""


def make_table(connection: psycopg.Connection[Any], rows: int) -> None:
    """An ordinary table with two years of rows, its indexes, a foreign key, and a view; and the table of users it refers to."""
    connection.execute("CREATE SCHEMA auth; CREATE SCHEMA core; SET TIME ZONE 'UTC'")
    connection.execute("CREATE TABLE auth.users (id uuid PRIMARY KEY, seen bigint NOT NULL DEFAULT 0)")
    connection.execute(f"INSERT INTO auth.users SELECT md5('user ' || g)::uuid FROM generate_series(1, {USERS}) g".encode())
    connection.execute(f"CREATE TABLE core.sessions ({COLUMNS}, PRIMARY KEY (id))".encode())
    connection.execute(ROWS.format(users=USERS, rows=rows, first=FIRST, last=LAST).encode())
    connection.execute(INDEXES.format(schema="core").encode())
    connection.execute("CREATE VIEW core.open_sessions AS SELECT id, user_id, created_at FROM core.sessions WHERE last_seen_at IS NULL")
    connection.commit()
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE) core.sessions")
    connection.execute("ANALYZE auth.users")


def make_partitioned(connection: psycopg.Connection[Any]) -> None:
    """What the obvious way begins with: the partitioned table with all of its partitions, indexes and the foreign key."""
    connection.execute("CREATE SCHEMA later; SET TIME ZONE 'UTC'")
    connection.execute(f"CREATE TABLE later.sessions ({COLUMNS}, PRIMARY KEY (id, created_at)) PARTITION BY RANGE (created_at)".encode())
    connection.execute(INDEXES.format(schema="later").encode())
    for (statement,) in connection.execute(PARTITIONS.encode()).fetchall():
        connection.execute(statement.encode())


def edges(connection: psycopg.Connection[Any]) -> list[Any]:
    """The key of every 10,000th row, so that the batches need not look for them."""
    numbered = "SELECT created_at, row_number() OVER (ORDER BY created_at) AS number FROM core.sessions"
    found = connection.execute(f"SELECT created_at FROM ({numbered}) n WHERE number % {BATCH} = 1 ORDER BY 1".encode()).fetchall()
    return [at for (at,) in found] + ["infinity"]


def move_in_batches(connection: psycopg.Connection[Any], cuts: list[Any]) -> float:
    """10,000 rows in the order of the key, each batch a transaction, into the table that has it all already. Returns the seconds it took."""
    begun = time.monotonic()
    for lower, upper in pairwise(cuts):
        connection.execute(
            "INSERT INTO later.sessions SELECT * FROM core.sessions WHERE created_at >= %s AND created_at < %s", (lower, upper)
        )
    return time.monotonic() - begun
