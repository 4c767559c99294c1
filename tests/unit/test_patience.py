"""How often, and how soon, a step is tried again."""

from datetime import timedelta

import pytest

from include.partitioning import errors
from include.partitioning.errors import all_of
from include.partitioning.patience import MOST_RETRIES, ORDINARY, PATIENCE, Patience, patience_with


def test_pauses_double_up_to_the_longest() -> None:
    patience = Patience(4, timedelta(minutes=3), timedelta(minutes=10))
    assert [patience.pause(retry).total_seconds() / 60 for retry in (1, 2, 3, 4)] == [3, 6, 10, 10]


def test_a_lock_is_tried_soon_and_often_and_a_server_that_is_away_later_and_less_often() -> None:
    lock, server = patience_with(errors.LockNotAvailableError("")), patience_with(errors.ServerUnavailableError(""))
    assert lock.retries == MOST_RETRIES > server.retries > ORDINARY.retries
    assert lock.pause(lock.retries) < server.pause(1)
    assert timedelta(minutes=30) < sum((server.pause(retry) for retry in range(1, server.retries + 1)), timedelta()) < timedelta(hours=1)


@pytest.mark.parametrize("kind", [errors.MissingPrivilegeError, errors.StatementFailedError, errors.DestructionRefusedError])
def test_what_a_retry_cannot_mend_is_not_retried(kind: type[Exception]) -> None:
    assert patience_with(kind("")).retries == 0


def test_an_error_of_somebody_else_and_one_of_no_known_kind_have_ordinary_patience() -> None:
    assert patience_with(ZeroDivisionError()) is patience_with(errors.TransientError("")) is ORDINARY


def test_several_errors_of_one_kind_have_its_patience() -> None:
    locks = [errors.LockNotAvailableError("one"), errors.LockNotAvailableError("two"), errors.MissingPrivilegeError("three")]
    assert patience_with(all_of(locks)) is PATIENCE[errors.LockNotAvailableError]
    assert str(all_of(locks)) == "one\ntwo\nthree"
    assert patience_with(all_of([*locks, errors.WaitTooLongError("four")])) is ORDINARY
    assert patience_with(all_of(locks[2:])).retries == 0
