"""Retries by the kind of the error, as Airflow asks for them, and without retry policies."""

import importlib
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator, RetryAction
from airflow.serialization.serialized_objects import DagSerialization

from include.partitioning.errors import LockNotAvailableError, ServerUnavailableError
from include.partitioning.patience import MOST_RETRIES
from partition_operators import retrying
from partition_operators.retry_by_kind import RetryByKind


def decide(error: BaseException, try_number: int, max_tries: int = MOST_RETRIES) -> tuple[RetryAction, timedelta | None]:
    task: Any = {"task": SimpleNamespace(retries=MOST_RETRIES)}
    decision = RetryByKind().evaluate(error, try_number, max_tries, task)
    assert type(error).__name__ in str(decision.reason)
    return decision.action, decision.retry_delay


def test_a_lock_is_tried_again_after_a_minute_until_the_patience_is_over() -> None:
    assert decide(LockNotAvailableError("held"), 1) == (RetryAction.RETRY, timedelta(minutes=1))
    assert decide(LockNotAvailableError("held"), MOST_RETRIES) == (RetryAction.RETRY, timedelta(minutes=1))
    assert decide(LockNotAvailableError("held"), MOST_RETRIES + 1) == (RetryAction.FAIL, None)


def test_an_error_that_is_none_of_ours_is_retried_twice_although_the_task_may_retry_more_often() -> None:
    assert [decide(ZeroDivisionError(), number)[0] for number in (1, 2, 3)] == [RetryAction.RETRY, RetryAction.RETRY, RetryAction.FAIL]


def test_a_task_that_was_cleared_after_three_tries_begins_anew() -> None:
    assert decide(ServerUnavailableError("away"), 4, max_tries=3 + MOST_RETRIES) == (RetryAction.RETRY, timedelta(minutes=3))


def test_the_policy_costs_a_flag_when_a_dag_is_serialized() -> None:
    with DAG("some_dag", schedule=None, default_args=retrying.retry_arguments()) as dag:
        BaseOperator(task_id="plain")
    serialized = DagSerialization.to_dict(dag)["dag"]
    assert serialized["tasks"][0]["__var"]["has_retry_policy"] is True
    assert "RetryByKind" not in str(serialized)


def test_on_an_airflow_without_retry_policies_there_are_two_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "partition_operators.retry_by_kind", None)
    try:
        without = importlib.reload(retrying).retry_arguments()
    finally:
        monkeypatch.undo()
        importlib.reload(retrying)
    assert without["retries"] == 2
    assert "retry_policy" not in without
    BaseOperator(task_id="plain", **without)
