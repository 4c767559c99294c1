"""The whole life of a table whose names are what no sane person would choose, and somebody has chosen."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy
from partition_operators.analyze_partitions import AnalyzePartitionsOperator
from partition_operators.archive_partition import ArchivePartitionOperator
from partition_operators.create_partitions import CreatePartitionsOperator
from partition_operators.detach_partition import DetachPartitionOperator
from partition_operators.drop_partition import DropPartitionOperator
from partition_operators.heal_partitions import HealPartitionsOperator
from partition_operators.lifecycle_operator import LifecycleOperator
from partition_operators.measure_bloat import MeasureBloatOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from partition_operators.refresh_recent_view import RefreshRecentViewOperator
from partition_operators.reindex_partition import ReindexPartitionOperator
from partition_operators.restore_drill import RestoreDrillOperator
from partition_operators.restore_partition import RestorePartitionOperator
from tests.integration.conftest import Lifecycle

EVERYTHING = "-A\"b''.c %s%(d)s%%{{ e }}{f}\\'/../g=h\n;--é$1$$ ON ONLY x USING"
LONG = "é" * 31 + "x"

NAMES = [
    "MixedCase", "grüße_表_🐘", "x" * 63, "table's name", "%s", "%(a)s%%", "'); DROP SCHEMA public; --", "select", "{braces}", "{{ ti }}", "../up", "..",
    "hive=1", "$$", "~41~", " lead and trail ", "NULL", "\u202e", "CON", "p ON s.p USING btree (x)",
]  # fmt: skip
"""Each alone, because what is peculiar about it shows only at an end, or only where nothing else needs quotes."""


class Hostile:
    """Everything is called `name`: schema, table, key, index, constraint, type, role, and the oldest partition too."""

    def __init__(self, uri: str, archive: Path, name: str) -> None:
        self.uri = uri
        self.name = name
        self.table = TableName(name, name)
        self.old = TableName(name, self._other("old"))
        self.newest = TableName(name, self._other("new"))
        self.policy = PartitionPolicy(
            table=str(self.table),
            partition_key=name,
            retention="1 month",
            premake=1,
            postgres_conn_id="target",
            lock_attempts=3,
            archive={"path": f"file://{archive}", "proof": "restore"},
            recent_view={"name": str(TableName(name, self._other("view")))},
        )

    def _other(self, end: str) -> str:
        return self.name.encode()[: 63 - len(end)].decode(errors="ignore") + end

    def run(self, operator: type[LifecycleOperator], **arguments: Any) -> Any:
        return operator(task_id="step", policy=self.policy, reference_date="2026-11-22", **arguments).execute({})

    def execute(self, text: str) -> list[tuple[Any, ...]]:
        """`{n}` is the name, `{t}` the table, `{old}` and `{new}` partitions, `{x}` other names."""
        qualified = {"t": self.table, "old": self.old, "new": self.newest}
        names = {
            "n": sql.Identifier(self.name), "role": sql.Identifier(self._other("role")), "members": sql.Identifier(self._other("m")),
            **{key: sql.Identifier(each.schema, each.name) for key, each in qualified.items()},
            **{key: sql.Identifier(self._other(key)) for key in ("i", "j", "c", "f", "view", "type")},
        }  # fmt: skip
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(sql.SQL(text).format(**names))
            return cursor.fetchall() if cursor.description else []


SETUP = """
CREATE ROLE {role}; CREATE SCHEMA {n}; GRANT ALL ON SCHEMA {n} TO {role};
CREATE TYPE {n}.{type} AS ENUM ('it''s', 'b\\c');
CREATE TABLE {n}.{members} (id integer PRIMARY KEY); INSERT INTO {n}.{members} SELECT generate_series(1, 5);
CREATE TABLE {t} (id bigint, {n} timestamptz NOT NULL, {members} integer CONSTRAINT {f} REFERENCES {n}.{members} ON DELETE CASCADE, {role} {n}.{type},
  CONSTRAINT {c} CHECK ({members} > 0), PRIMARY KEY (id, {n})) PARTITION BY RANGE ({n});
CREATE INDEX {i} ON {t} ({members}, {n});
CREATE TABLE {old} PARTITION OF {t} FOR VALUES FROM ('2026-09-01 00:00+00') TO ('2026-10-01 00:00+00');
CREATE TABLE {new} PARTITION OF {t} FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00');
CREATE UNIQUE INDEX {j} ON {new} (coalesce({role}, 'it''s'), {n}, id) WHERE {members} <> 4;
ALTER TABLE {t} OWNER TO {role}; ALTER TABLE {old} OWNER TO {role}; ALTER TABLE {new} OWNER TO {role}; ALTER TABLE {n}.{members} OWNER TO {role};
ALTER TYPE {n}.{type} OWNER TO {role}; GRANT SELECT ({members}) ON {new} TO {role}; GRANT SELECT ON {new} TO PUBLIC;
ALTER TABLE {new} ALTER {n} SET NOT NULL, ALTER id SET NOT NULL;
INSERT INTO {t} SELECT g, timestamptz '2026-09-01 00:00+00' + g * interval '1 hour', 1 + g % 5, (ARRAY['it''s', 'b\\c', NULL])[1 + g % 3]::{n}.{type} FROM generate_series(1, 40) g;
INSERT INTO {t} SELECT g, timestamptz '2026-11-01 00:00+00' + g * interval '1 second', 1 + g % 5, NULL FROM generate_series(1, 40) g;
"""


@pytest.mark.parametrize(
    "name",
    [EVERYTHING, LONG, *(pytest.param(name, marks=pytest.mark.slow) for name in NAMES)],
    ids=lambda name: ascii(name)[1:20],
)
def test_a_table_of_that_name_lives_its_whole_life(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", database)
    hostile = Hostile(database, tmp_path / "archive", name)
    hostile.execute(SETUP)
    old = str(hostile.old)
    content = hostile.execute("SELECT * FROM {old} ORDER BY id")
    try:
        assert hostile.run(PlanPartitionsOperator) == [old]
        assert hostile.run(HealPartitionsOperator) == []
        created = hostile.run(CreatePartitionsOperator)
        assert created
        assert hostile.run(CreatePartitionsOperator) == []
        hostile.run(RefreshRecentViewOperator)
        for operator in (ArchivePartitionOperator, DetachPartitionOperator, DropPartitionOperator):
            hostile.run(operator, partition=old)
        files = [file.relative_to(tmp_path / "archive") for file in tmp_path.rglob("*") if file.is_file()]
        assert all(len(file.parts) == 4 and ".." not in file.parts for file in files)
        assert "is gone already" in hostile.run(DropPartitionOperator, partition=old)
        assert hostile.run(RestoreDrillOperator) == [old]
        assert "40 rows, compared" in hostile.run(RestorePartitionOperator, partition=old, mode="table")
        assert "40 rows, compared" in hostile.run(RestorePartitionOperator, partition=old)
        assert hostile.execute("SELECT * FROM {old} ORDER BY id") == content
        assert hostile.execute("SELECT count(*) FROM {n}.{view}") == [(80,)]
        assert str(hostile.table) in hostile.run(AnalyzePartitionsOperator)
        hostile.run(MeasureBloatOperator)
        hostile.run(ReindexPartitionOperator, partition=str(hostile.newest))
        indexes = "SELECT count(*) FROM pg_index WHERE indrelid = (SELECT max(c.oid) FROM pg_class c JOIN pg_inherits i ON inhrelid = c.oid WHERE relkind = 'r')"
        assert hostile.execute(indexes) == [(3,)]
        owners = "SELECT DISTINCT relowner::regrole FROM pg_class JOIN pg_inherits ON inhrelid = pg_class.oid"
        assert len(hostile.execute(owners)) == 1
    finally:
        hostile.execute("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


def test_an_index_whose_name_reads_like_sql_is_found_again_behind_its_name(lifecycle: Lifecycle) -> None:
    """Definitions are cut behind the table's name, which the index's own name may hold as well."""
    name = "x ON app.events_p202611 USING btree (id) ON ONLY app.events USING hash"
    lifecycle.sql(f"""
        ALTER TABLE app.events ALTER user_id SET NOT NULL;
        CREATE UNIQUE INDEX "{name}" ON app.events (user_id, id, created_at);
        CREATE UNIQUE INDEX "x ON app.events_p202611 USING btree (note)" ON app.events_p202611 (id, created_at, user_id);
        ALTER TABLE app.events_p202611 REPLICA IDENTITY USING INDEX "x ON app.events_p202611 USING btree (note)";
    """)
    lifecycle.create(policy=lifecycle.policy(premake=1, retention="1 month"))
    definition = "SELECT pg_get_indexdef(indexrelid) LIKE '%%(id, created_at, user_id)' FROM pg_index WHERE indrelid = 'app.events_p202612'::regclass AND indisreplident"
    assert lifecycle.value(definition) is True
    lifecycle.expire("app.events_p202408")
    assert "50 rows, compared" in lifecycle.restore("app.events_p202408")
    assert "50 rows, compared" in lifecycle.restore("app.events_p202408", "table")
    assert lifecycle.drill() == ["app.events_p202408"]
    columns = "SELECT array_agg(substring(pg_get_indexdef(indexrelid) FROM '[^(]*$') ORDER BY 1) FROM pg_index WHERE indrelid = 'app.events_p202408'::regclass"
    assert set(lifecycle.value(columns)) == {
        "id, created_at)",
        "id, created_at, user_id)",
        "user_id, created_at)",
        "user_id, id, created_at)",
    }
