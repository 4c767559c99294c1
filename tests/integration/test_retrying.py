"""What a real error of a real server means for the retry: a step fails as in a task, and the DAGs' retry policy is asked about its error."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowFailException

from partition_operators.retry_by_kind import RetryByKind
from partition_operators.retrying import retry_arguments
from tests.integration.conftest import Lifecycle


def decision_on(step: Callable[[], Any]) -> tuple[RetryAction, timedelta | None]:
    """Airflow asks no policy about an AirflowFailException: such a task fails at once."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which error it is, is the question
        step()
    if isinstance(caught.value, AirflowFailException):
        return RetryAction.FAIL, None
    found = RetryByKind().evaluate(caught.value, 1, retry_arguments()["retries"])
    return found.action, found.retry_delay


def test_a_lock_that_is_held_is_asked_for_again_in_a_minute(lifecycle: Lifecycle) -> None:
    with lifecycle.connect() as holder:
        holder.execute("LOCK TABLE app.events IN SHARE UPDATE EXCLUSIVE MODE")
        impatient = lifecycle.policy(lock_attempts=1, premake=1)
        assert decision_on(lambda: lifecycle.create(policy=impatient)) == (RetryAction.RETRY, timedelta(minutes=1))


def test_a_server_that_is_away_is_asked_again_later(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_TARGET", f"postgresql://nobody@/nothing?host={tmp_path}")
    assert decision_on(lifecycle.create) == (RetryAction.RETRY, timedelta(minutes=3))


def test_a_foreign_key_a_missing_privilege_and_a_missing_connection_go_to_a_person_at_once(
    lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = "app.events_p202408"
    lifecycle.sql(
        "CREATE TABLE app.notes (event_id bigint, at timestamptz, FOREIGN KEY (event_id, at) REFERENCES app.events (id, created_at))"
    )
    lifecycle.sql(f"INSERT INTO app.notes SELECT id, created_at FROM {old} LIMIT 1")
    lifecycle.archive_partition(old)
    assert decision_on(lambda: lifecycle.detach(old)) == (RetryAction.FAIL, None)
    lifecycle.sql("CREATE ROLE without_rights LOGIN")
    try:
        monkeypatch.setenv("AIRFLOW_CONN_TARGET", lifecycle.uri.replace("postgres@", "without_rights@"))
        assert decision_on(lifecycle.create) == (RetryAction.FAIL, None)
    finally:
        lifecycle.sql("DROP ROLE without_rights")
    monkeypatch.delenv("AIRFLOW_CONN_TARGET")
    assert decision_on(lifecycle.create) == (RetryAction.FAIL, None)
