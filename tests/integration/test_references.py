"""Rows elsewhere that refer to rows of a partition that is to go."""

import re

import pytest
from airflow.sdk.exceptions import AirflowFailException

from tests.integration.conftest import Lifecycle

OLD, NEXT = "app.events_p202408", "app.events_p202409"


def test_a_detach_that_rows_refer_to_names_each_key_and_counts_its_rows_and_other_partitions_go_on(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str]
) -> None:
    lifecycle.sql("""
        CREATE TABLE app.notes (event_id bigint, at timestamptz, CONSTRAINT "notes'event" FOREIGN KEY (event_id, at) REFERENCES app.events (id, created_at));
        INSERT INTO app.notes SELECT id, created_at FROM app.events_p202408 LIMIT 3; INSERT INTO app.notes VALUES (NULL, '2024-08-05');
        CREATE TABLE auth."Visits" (at timestamptz, event_id bigint, CONSTRAINT visits_event FOREIGN KEY (at, event_id) REFERENCES app.events (created_at, id));
        INSERT INTO auth."Visits" SELECT created_at, id FROM app.events WHERE created_at < '2024-08-02'; INSERT INTO auth."Visits" SELECT created_at, id FROM app.events_p202611;
    """)
    lifecycle.plan()
    said = capsys.readouterr().out
    expected = '3 rows of "app.notes" by its foreign key "notes\'event"; 23 rows of "auth."Visits"" by its foreign key "visits_event"'
    assert f'"{OLD}" cannot be detached while rows refer to it: {expected}' in said.replace('\\"', '"')
    assert f'"{NEXT}" cannot be detached' not in said
    lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match=re.escape(expected) + r"; delete or change those rows, or drop the foreign key"):
        lifecycle.detach(OLD)
    assert lifecycle.value("SELECT bool_or(inhdetachpending) FROM pg_inherits") is False
    lifecycle.expire(NEXT)
    lifecycle.sql('DELETE FROM app.notes; DELETE FROM auth."Visits"')
    lifecycle.expire(OLD)
    assert not lifecycle.exists(OLD)


def test_a_table_that_refers_to_itself_counts_its_own_rows_too(lifecycle: Lifecycle) -> None:
    lifecycle.sql("""
        ALTER TABLE app.events ADD parent_id bigint, ADD parent_at timestamptz, ADD CONSTRAINT itself FOREIGN KEY (parent_id, parent_at) REFERENCES app.events;
        UPDATE app.events_p202409 SET parent_id = 7, parent_at = (SELECT created_at FROM app.events_p202408 WHERE id = 7) WHERE id = 1;
    """)
    lifecycle.archive_partition(OLD)
    with pytest.raises(AirflowFailException, match=r'1 row of "app.events" by its foreign key "itself" \(the table refers to itself'):
        lifecycle.detach(OLD)
    lifecycle.expire(NEXT)
    lifecycle.expire(OLD)
    assert lifecycle.partitions() == ["events_p202410", "events_p202610", "events_p202611"]


def test_what_cannot_be_counted_is_said_to_be_so(
    lifecycle: Lifecycle, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from datetime import timedelta

    from include.postgres import references

    lifecycle.sql("""
        CREATE TABLE app.notes (event_id bigint, at timestamptz, CONSTRAINT notes_event FOREIGN KEY (event_id, at) REFERENCES app.events (id, created_at));
        INSERT INTO app.notes SELECT id, created_at FROM app.events_p202408;
    """)
    monkeypatch.setattr(references, "LONGEST_COUNT", timedelta(milliseconds=300))
    with lifecycle.connect() as somebody:
        somebody.execute("LOCK TABLE app.notes")
        lifecycle.plan()
    assert "may refer to it, too many to count now" in capsys.readouterr().out


def test_a_key_that_points_to_the_partition_itself_stops_its_drop_by_its_name(lifecycle: Lifecycle) -> None:
    lifecycle.sql(
        "CREATE TABLE app.notes (event_id bigint, at timestamptz, CONSTRAINT notes_old FOREIGN KEY (event_id, at) REFERENCES app.events_p202408)"
    )
    lifecycle.archive_partition(OLD)
    lifecycle.detach(OLD)
    with pytest.raises(AirflowFailException, match=r"notes_old.*something else depends on it"):
        lifecycle.drop(OLD)
    assert lifecycle.exists(OLD)


def test_a_restored_key_is_compared_by_its_own_operator(lifecycle: Lifecycle) -> None:
    """A type that is not PostgreSQL's, as an extension's: there is no operator for it in pg_catalog."""
    lifecycle.sql("""
        CREATE TYPE public.mark; CREATE FUNCTION public.mark_in(cstring) RETURNS public.mark IMMUTABLE STRICT LANGUAGE internal AS 'textin';
        CREATE FUNCTION public.mark_out(public.mark) RETURNS cstring IMMUTABLE STRICT LANGUAGE internal AS 'textout';
        CREATE TYPE public.mark (INPUT = mark_in, OUTPUT = mark_out, LIKE = text, COLLATABLE = true);
    """)
    for name, function in (("<", "text_lt"), ("<=", "text_le"), ("=", "texteq"), (">=", "text_ge"), (">", "text_gt")):
        lifecycle.sql(
            f"CREATE FUNCTION public.{function}(public.mark, public.mark) RETURNS boolean IMMUTABLE STRICT LANGUAGE internal AS '{function}'"
        )
        lifecycle.sql(f"CREATE OPERATOR public.{name} (LEFTARG = public.mark, RIGHTARG = public.mark, FUNCTION = public.{function})")
    lifecycle.sql("""
        CREATE FUNCTION public.mark_cmp(public.mark, public.mark) RETURNS integer IMMUTABLE STRICT LANGUAGE internal AS 'bttextcmp';
        CREATE OPERATOR CLASS public.mark_ops DEFAULT FOR TYPE public.mark USING btree AS OPERATOR 1 public.<, OPERATOR 2 public.<=, OPERATOR 3 public.=,
          OPERATOR 4 public.>=, OPERATOR 5 public.>, FUNCTION 1 public.mark_cmp(public.mark, public.mark);
        CREATE TABLE auth.names (name public.mark PRIMARY KEY); INSERT INTO auth.names VALUES ('Anna');
        ALTER TABLE app.events ADD who public.mark REFERENCES auth.names; UPDATE app.events SET who = 'Anna';
    """)
    lifecycle.expire(OLD)
    assert "50 rows, compared" in lifecycle.restore(OLD)
