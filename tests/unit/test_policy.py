"""Policies built in Python: defaults, refusals with key and good value, and what contradicts itself."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from include.partitioning.choices import FirstDrop, OnExpiry, Proof
from include.partitioning.errors import PolicyError, Problem
from include.partitioning.interval import Interval
from include.partitioning.names import TableName
from include.partitioning.policy import PartitionPolicy, dag_id_of
from include.partitioning.span import CalendarSpan


def policy(**values: Any) -> PartitionPolicy:
    """A policy that only names its table and key, and `values`."""
    return PartitionPolicy(**{"table": "core.sessions", "partition_key": "created_at", **values})


def problems(**values: Any) -> tuple[Problem, ...]:
    """What is wrong with that policy."""
    with pytest.raises(PolicyError) as caught:
        policy(**values)
    return caught.value.problems


def problem(**values: Any) -> Problem:
    """The one thing that is wrong with that policy."""
    (only,) = problems(**values)
    return only


def test_a_policy_that_says_little_creates_and_never_destroys() -> None:
    found = policy()
    assert found.table == TableName("core", "sessions")
    assert (found.interval, found.timezone, found.premake) == (Interval.MONTH, "UTC", 3)
    assert found.retention is None
    assert found.detached_retention is None
    assert found.archive is None
    assert found.on_expiry is OnExpiry.DROP
    assert found.first_drop is FirstDrop.ANY_TIME
    assert found.destroy_without_archive is False
    assert (found.max_drops_per_run, found.max_creates_per_run) == (12, 120)


def test_locks_are_given_way_to_after_100_ms_by_default() -> None:
    found = policy()
    assert (found.lock_timeout, found.lock_attempts) == (timedelta(milliseconds=100), 60)
    assert found.wait_timeout == timedelta(minutes=30)
    assert (found.schedule, found.postgres_conn_id) == ("@monthly", "postgres_default")


def test_a_policy_can_be_built_from_values_as_well_as_from_text() -> None:
    as_text = policy(retention="24 months", interval="day", destroy_without_archive=True, lock_timeout="200 ms")
    as_values = policy(
        table=TableName("core", "sessions"),
        retention=CalendarSpan(months=24),
        interval=Interval.DAY,
        destroy_without_archive=True,
        lock_timeout=timedelta(milliseconds=200),
    )
    assert as_text == as_values


def test_a_policy_cannot_be_changed_once_built() -> None:
    found = policy(archive={"path": "s3://bucket/prefix"})
    with pytest.raises(ValidationError, match=r"frozen"):
        setattr(found, "premake", 9)  # noqa: B010 - mypy knows that it is read-only
    assert found.archive is not None
    with pytest.raises(ValidationError, match=r"frozen"):
        setattr(found.archive, "path", "s3://elsewhere")  # noqa: B010 - as above


@pytest.mark.parametrize("key", ["table", "partition_key"])
def test_what_has_no_default_is_required_and_shown(key: str) -> None:
    values: dict[str, Any] = {"table": "core.sessions", "partition_key": "created_at"}
    del values[key]
    with pytest.raises(PolicyError) as caught:
        PartitionPolicy(**values)
    (found,) = caught.value.problems
    assert (found.key, found.wrong) == (key, "is required")
    assert found.good is not None


@pytest.mark.parametrize(
    ("key", "value", "wrong", "good"),
    [
        ("table", "sessions", "write it as schema.table", "core.sessions"),
        ("table", "Core.sessions", "needs double quotes", "core.sessions"),
        ("table", 5, "not 5", "core.sessions"),
        ("partition_key", "", "at least 1 character", "created_at"),
        ("interval", "decade", "'hour', 'day', 'week', 'month', 'quarter' or 'year', not 'decade'", "month"),
        ("timezone", "Europe/Berlni", '"Europe/Berlni" is not a time zone', "UTC"),
        ("timezone", "", "is not a time zone", "UTC"),
        ("timezone", "../../etc/localtime", "is not a time zone", "UTC"),
        ("timezone", 3, "not 3", "UTC"),
        ("premake", 0, "greater than or equal to 1, not 0", "3"),
        ("premake", -1, "greater than or equal to 1", "3"),
        ("premake", 1001, "less than or equal to 1000", "3"),
        ("premake", "many", "integer", "3"),
        ("retention", "-3 months", "not longer than zero", "24 months"),
        ("retention", "0 months", "not longer than zero", "24 months"),
        ("retention", "1 year -1 month", "mixes positive terms with negative", "24 months"),
        ("retention", "soon", "is not a length of time", "24 months"),
        ("retention", "3 fortnights", "is not a unit of time here", "24 months"),
        ("retention", 24, "not 24", "24 months"),
        ("detached_retention", "-7 days", "not longer than zero", "7 days"),
        ("on_expiry", "keep", "'drop' or 'detach', not 'keep'", "drop"),
        ("first_drop", "never", "'any_time' or 'after_drill', not 'never'", "after_drill"),
        ("first_drop", None, "not None", "after_drill"),
        ("destroy_without_archive", "perhaps", "boolean", "False"),
        ("max_drops_per_run", 0, "greater than or equal to 1", "12"),
        ("max_creates_per_run", 0, "greater than or equal to 1", "120"),
        ("lock_timeout", "100", "is not a length of time", "100 ms"),
        ("lock_timeout", "0 ms", "not longer than zero", "100 ms"),
        ("lock_attempts", 0, "greater than or equal to 1", "60"),
        ("wait_timeout", "1 month", "is not a unit of time here", "30 min"),
        ("archive_max_duration", "soon", "is not a length of time", "12 hours"),
        ("archive_max_duration", "0 h", "not longer than zero", "12 hours"),
        ("archive_max_duration", "1 month", "is not a unit of time here", "12 hours"),
        ("archive_max_duration", 12, "not 12", "12 hours"),
        ("schedule", "monthly", "neither a cron expression of five fields nor one of @hourly", "@monthly"),
        ("schedule", "@once", "neither a cron expression", "@monthly"),
        ("schedule", "61 * * * *", "neither a cron expression", "@monthly"),
        ("schedule", "0 0 0 1 * *", "neither a cron expression", "@monthly"),
        ("schedule", 5, "not 5", "@monthly"),
        ("archive", "s3://bucket", "not 's3://bucket'", "{'path': 's3://bucket/prefix'}"),
        ("postgres_conn_id", "", "at least 1 character", "postgres_default"),
        ("tags", "core", "not 'core'", "['core', 'gdpr']"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_its_key_and_a_good_value(key: str, value: object, wrong: str, good: str) -> None:
    found = problem(**{key: value})
    assert found.key == key
    assert wrong in found.wrong
    assert found.good == good


@pytest.mark.parametrize(
    ("values", "key", "good"),
    [
        ({"archive": {}}, "archive.path", "s3://bucket/prefix"),
        ({"archive": {"path": "/var/archive"}}, "archive.path", "s3://bucket/prefix"),
        ({"archive": {"path": "s3://bucket", "compression": "rar"}}, "archive.compression", "zstd"),
        ({"archive": {"path": "s3://bucket", "proof": "none"}}, "archive.proof", "standard"),
        ({"archive": {"path": "s3://bucket", "files": 0}}, "archive.files", "1"),
        ({"archive": {"path": "s3://bucket", "files": 17}}, "archive.files", "1"),
        ({"archive": {"path": "s3://bucket", "files": "4"}}, "archive.files", "1"),
        ({"archive": {"path": "s3://bucket", "former_databases": "1/2"}}, "archive.former_databases", "['7382948271645539921/16384']"),
        ({"recent_view": {"name": "v_recent"}}, "recent_view.name", "core.v_sessions_recent"),
        ({"recent_view": {"name": "core.v", "intervals": 0}}, "recent_view.intervals", "3"),
        ({"reindex": {"bloat_above": 0}}, "reindex.bloat_above", "0.3"),
        ({"reindex": {"bloat_above": 30}}, "reindex.bloat_above", "0.3"),
    ],
)
def test_a_nested_value_is_refused_with_its_whole_key_and_a_good_value(values: dict[str, Any], key: str, good: str) -> None:
    found = problem(**values)
    assert (found.key, found.good) == (key, good)


@pytest.mark.parametrize(
    ("values", "key", "suggestion"),
    [
        ({"retnetion": "24 months"}, "retnetion", "retention"),
        ({"time_zone": "UTC"}, "time_zone", "timezone"),
        ({"archive": {"path": "s3://bucket", "compresion": "zstd"}}, "archive.compresion", "compression"),
        ({"archive": {"path": "s3://bucket", "file": 2}}, "archive.file", "files"),
        ({"archive": {"path": "s3://bucket", "former_database": []}}, "archive.former_database", "former_databases"),
        ({"archive": {"path": "s3://bucket", "proofs": "full"}}, "archive.proofs", "proof"),
        ({"first_drops": "any_time"}, "first_drops", "first_drop"),
        ({"reindex": {"bloat": 0.3}}, "reindex.bloat", "bloat_above"),
        ({"recent_view": {"name": "core.v", "interval": 3}}, "recent_view.interval", "intervals"),
        ({"zzzz": 1}, "zzzz", None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(values: dict[str, Any], key: str, suggestion: str | None) -> None:
    found = problem(**values)
    assert found.key == key
    assert found.wrong.startswith("unknown key; known here are ")
    assert found.good == suggestion


def test_an_unknown_key_called_self_is_refused_like_any_other() -> None:
    values: dict[str, Any] = {"table": "core.sessions", "partition_key": "created_at", "self": 1}
    with pytest.raises(PolicyError, match=r"self: unknown key"):
        PartitionPolicy(**values)


def test_all_problems_are_said_and_not_only_the_first() -> None:
    assert {each.key for each in problems(premake=0, timezone="Mars/Olympus", colour="red")} == {"premake", "timezone", "colour"}


def test_a_problem_knows_its_table() -> None:
    assert problem(premake=0).table == "core.sessions"


@pytest.mark.parametrize("retention", [{"months": -5}, {"months": 0}, {"months": 12, "days": -1}, CalendarSpan(), CalendarSpan(days=-1)])
def test_a_retention_that_is_not_longer_than_nothing_is_refused_in_every_form(retention: object) -> None:
    # A negative retention puts the cutoff into the future: the current partition would be past it.
    assert problem(retention=retention, destroy_without_archive=True).key == "retention"


@pytest.mark.parametrize("table", [{"schema": "Core", "name": ""}, TableName("core", ""), TableName("core", "a" * 64)])
def test_a_table_name_that_no_table_can_have_is_refused_in_every_form(table: object) -> None:
    assert problem(table=table).key == "table"


@pytest.mark.parametrize("key", ["lock_timeout", "wait_timeout"])
def test_a_length_of_time_beyond_all_bounds_is_refused_and_does_not_crash(key: str) -> None:
    assert problem(**{key: "99999999999999 days"}).key == key


def test_a_retention_before_the_first_year_is_refused() -> None:
    # The plan would end in a ValueError of the date library, months after the typo.
    assert problem(retention="3000 years", destroy_without_archive=True).key == "retention"


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"lock_timeout": "1 h"}, "lock_timeout"),
        ({"lock_timeout": timedelta(microseconds=10)}, "lock_timeout"),
        ({"wait_timeout": "500 ms"}, "wait_timeout"),
        ({"wait_timeout": "2 days"}, "wait_timeout"),
        ({"archive_max_duration": "500 ms"}, "archive_max_duration"),
        ({"archive_max_duration": "8 days"}, "archive_max_duration"),
    ],
)
def test_a_timeout_out_of_its_range_is_refused_under_its_own_key(values: dict[str, Any], key: str) -> None:
    found = problem(**values)
    assert "must lie between" in found.wrong
    assert found.key == key


def test_dropping_without_an_archive_must_be_asked_for() -> None:
    assert "destroy_without_archive" in problem(retention="24 months").wrong
    assert policy(retention="24 months", destroy_without_archive=True).archive is None
    assert policy(retention="24 months", archive={"path": "s3://bucket"}).destroy_without_archive is False


def test_detaching_without_an_archive_destroys_nothing_and_is_allowed() -> None:
    assert policy(retention="24 months", on_expiry="detach").archive is None


@pytest.mark.parametrize(
    "values",
    [
        {"archive": {"path": "s3://bucket"}, "destroy_without_archive": True},
        {"retention": "24 months", "on_expiry": "detach", "detached_retention": "7 days"},
    ],
)
def test_keys_that_contradict_each_other_are_refused_by_name(values: dict[str, Any]) -> None:
    found = problem(**values)
    assert "remove one of them" in found.wrong
    assert "`" in found.wrong


@pytest.mark.parametrize("path", ["s3://bucket/prefix", "gs://bucket", "abfs://container/x", "file:///var/archive"])
def test_an_archive_path_says_which_storage_it_is_in(path: str) -> None:
    found = policy(archive={"path": path}).archive
    assert found is not None
    assert (found.path, found.compression, found.conn_id) == (path, "zstd", None)


def test_an_archive_is_proven_in_the_standard_way_written_to_one_file_and_given_half_a_day_by_default() -> None:
    found = policy(archive={"path": "s3://bucket"}).archive
    assert found is not None
    assert (found.proof, found.files, found.former_databases) == (Proof.STANDARD, 1, ())
    assert policy().archive_max_duration == timedelta(hours=12)


@pytest.mark.parametrize("proof", ["standard", "full", "restore"])
def test_the_strength_of_the_proof_is_one_of_three(proof: str) -> None:
    found = policy(archive={"path": "s3://bucket", "proof": proof}).archive
    assert found is not None
    assert found.proof.value == proof


@pytest.mark.parametrize(
    ("text", "length"), [("1 s", timedelta(seconds=1)), ("90 min", timedelta(minutes=90)), ("7 days", timedelta(days=7))]
)
def test_an_archive_may_take_from_a_second_to_a_week(text: str, length: timedelta) -> None:
    assert policy(archive_max_duration=text).archive_max_duration == policy(archive_max_duration=length).archive_max_duration == length


def test_an_archive_may_have_sixteen_files_and_lie_beside_those_of_former_databases() -> None:
    found = policy(archive={"path": "s3://bucket", "files": 16, "former_databases": ["1/2", "3/4"]}).archive
    assert found is not None
    assert (found.files, found.former_databases) == (16, ("1/2", "3/4"))
    assert policy(archive=found.model_dump()).archive == found


def test_a_first_drop_may_wait_for_the_restore_of_an_archive() -> None:
    assert policy(first_drop="after_drill", archive={"path": "s3://bucket"}).first_drop is FirstDrop.AFTER_DRILL


@pytest.mark.parametrize(
    "values", [{}, {"retention": "24 months", "destroy_without_archive": True}, {"retention": "24 months", "on_expiry": "detach"}]
)
def test_a_first_drop_cannot_wait_for_the_restore_of_an_archive_that_will_never_be(values: dict[str, Any]) -> None:
    found = problem(first_drop="after_drill", **values)
    assert found.key == "first_drop"
    assert "has no `archive`" in found.wrong


def test_a_file_path_without_its_third_slash_is_refused() -> None:
    # It would be relative to whatever folder the worker runs in: an archive that is gone with its container.
    assert problem(archive={"path": "file://var/archive"}).key == "archive.path"


@pytest.mark.parametrize(
    "schedule", ["@hourly", "@daily", "@weekly", "@monthly", "@quarterly", "@yearly", "0 3 1 * *", "*/15 * * * *", None]
)
def test_a_schedule_is_a_preset_or_five_cron_fields_or_null(schedule: str | None) -> None:
    assert policy(schedule=schedule).schedule == schedule


def test_the_dag_has_the_name_of_schema_and_table() -> None:
    assert policy().dag_id == "partition_lifecycle.core.sessions"


@pytest.mark.parametrize("name", ["größe", "my table", 'say "hi"', "a/b", "\U0001f600"])
def test_a_dag_id_has_only_characters_that_airflow_accepts(name: str) -> None:
    dag_id = dag_id_of(f"core.{name}")
    assert all(c.isascii() and (c.isalnum() or c in "_.-") for c in dag_id)


@pytest.mark.parametrize(
    ("first", "second"),
    [('"a.b".c', 'a."b.c"'), ("core.é", 'core."-e9-"'), ("core.a_b", 'core."a-b"')],
)
def test_two_tables_never_share_a_dag_id(first: str, second: str) -> None:
    assert policy(table=first).dag_id != policy(table=second).dag_id
