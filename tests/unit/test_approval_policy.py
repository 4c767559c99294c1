"""When an approval is needed, and how long a run may wait for it."""

from datetime import timedelta
from typing import Any

import pytest

from include.partitioning.approval_policy import ApprovalPolicy, why_too_patient
from include.partitioning.errors import PolicyError, Problem
from include.partitioning.interval import Interval
from include.partitioning.policy import PartitionPolicy

GIB = 1024**3


def policy(**values: Any) -> PartitionPolicy:
    """A policy that only names its table and key, and `values`."""
    return PartitionPolicy(**{"table": "core.sessions", "partition_key": "created_at", **values})


def problem(**values: Any) -> Problem:
    """The one thing that is wrong with that policy."""
    with pytest.raises(PolicyError) as caught:
        policy(**values)
    (only,) = caught.value.problems
    return only


def needed(policy_says: object, partitions: int, rows: int | None = 0, size: int = 0) -> str | None:
    found = policy(approval=policy_says).approval
    assert found is not None
    return found.why_needed(partitions, rows, size)


def test_nobody_is_asked_unless_the_policy_says_so_and_a_day_is_the_longest_wait_then() -> None:
    found = policy()
    assert (found.approval, found.approval_timeout, found.approvers) == (None, timedelta(days=1), ())
    assert policy(approval=None).approval is None


def test_required_is_above_no_partitions_at_all() -> None:
    assert policy(approval="required").approval == ApprovalPolicy(partitions=0)
    assert needed("required", 1) == "the policy says approval: required"
    assert needed("required", 0) is None


def test_an_approval_is_needed_above_any_limit_and_not_at_it() -> None:
    limits = {"partitions": 3, "rows": 1000, "bytes": "1 GiB"}
    assert needed(limits, 3, 1000, GIB) is None
    assert needed(limits, 4, 1000, GIB) == "4 partitions are more than 3"
    assert needed(limits, 3, 1001, GIB) == "about 1,001 rows are more than 1,000"
    assert needed(limits, 3, 1000, GIB + 1) == "1,073,741,825 bytes are more than 1,073,741,824"
    assert needed(limits, 4, 1001, 0) == "4 partitions are more than 3; about 1,001 rows are more than 1,000"
    assert needed({"rows": 0}, 1, 0) is None


def test_an_unknown_number_of_rows_may_be_above_any_limit_of_rows_and_no_other() -> None:
    assert needed({"rows": 10**12}, 1, None) == "an unknown number of rows may be more than 1,000,000,000,000"
    assert needed({"partitions": 3}, 1, None) is None


@pytest.mark.parametrize(
    ("value", "key", "wrong"),
    [
        ("always", "approval", '"always" is neither `required` nor limits'),
        (True, "approval", "neither `required` nor limits"),
        ({}, "approval", "says above what an approval is needed"),
        ({"partitions": None}, "approval", "says above what an approval is needed"),
        ({"row": 1}, "approval.row", "known here are partitions, rows, bytes"),
        ({"rows": -1}, "approval.rows", "greater than or equal to 0"),
        ({"rows": "many"}, "approval.rows", "valid integer"),
        ({"bytes": "heaps"}, "approval.bytes", '"heaps" is not a size'),
    ],
)
def test_what_cannot_be_meant_is_refused(value: object, key: str, wrong: str) -> None:
    found = problem(approval=value)
    assert found.key == key
    assert wrong in found.wrong
    assert found.good is not None


@pytest.mark.parametrize("value", ["0 s", "31 day", "1 month", 5])
def test_a_timeout_is_a_length_of_time_of_at_most_thirty_days(value: object) -> None:
    assert problem(approval_timeout=value).key == "approval_timeout"


def test_a_run_waits_no_longer_than_half_of_what_is_ready_ahead_because_the_next_one_waits_behind_it() -> None:
    found = problem(approval="required", interval="hour")
    assert found.key == "approval_timeout"
    assert "24 h is more than half of the 3 partitions that premake keeps ready" in found.wrong
    assert "write at most 90 min, or raise premake" in found.wrong
    assert policy(approval="required", interval="hour", approval_timeout="90 min").approval is not None
    assert policy(approval="required", interval="hour", premake=48).approval is not None
    assert policy(interval="hour").approval is None  # where nobody is asked nobody waits


@pytest.mark.parametrize("interval", list(Interval))
def test_what_is_advised_is_accepted(interval: Interval) -> None:
    why = why_too_patient(interval, 1, timedelta(days=10_000))
    assert why is not None
    advised = why.partition("at most ")[2].partition(",")[0]
    if interval in (Interval.HOUR, Interval.DAY, Interval.WEEK, Interval.MONTH):
        assert policy(approval="required", interval=interval, premake=1, approval_timeout=advised)


def test_approvers_are_ids() -> None:
    assert policy(approvers=["ana", "17"]).approvers == ("ana", "17")
    assert problem(approvers="ana").key == "approvers"
    assert problem(approvers=[""]).key.startswith("approvers")
