"""Fetching the next while one is worked on: order, errors, depth, and the end of the thread."""

import threading
from collections.abc import Iterator

import pytest

from include.archive.read_ahead import read_ahead


def test_the_items_come_in_their_order() -> None:
    assert list(read_ahead(range(100))) == list(range(100))
    assert list(read_ahead(range(100), depth=7)) == list(range(100))


def test_nothing_is_nothing() -> None:
    assert list(read_ahead(())) == []


def test_none_is_an_item_like_any_other() -> None:
    assert list(read_ahead([None, 0, "", None])) == [None, 0, "", None]


def test_the_items_are_fetched_by_another_thread_that_ends_with_them() -> None:
    def named() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    (thread,) = read_ahead(named())
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


def test_an_error_of_the_source_comes_behind_the_items_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        yield 2
        raise ZeroDivisionError("by nothing")

    found: list[int] = []
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        found.extend(read_ahead(broken()))
    assert found == [1, 2]


def test_even_what_is_no_ordinary_error_is_raised_where_the_items_are_wanted() -> None:
    def interrupted() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    items = read_ahead(interrupted())
    assert next(items) == 1
    with pytest.raises(KeyboardInterrupt):
        next(items)


def test_an_error_of_the_consumer_closes_the_source_in_its_own_thread_and_waits_for_it() -> None:
    closed_by: list[threading.Thread] = []

    def endless() -> Iterator[int]:
        number = 0
        try:
            while True:
                yield number
                number += 1
        finally:
            closed_by.append(threading.current_thread())

    items = read_ahead(endless())
    assert next(items) == 0
    items.close()
    (thread,) = closed_by
    assert thread is not threading.current_thread()
    assert not thread.is_alive()


@pytest.mark.parametrize("depth", [1, 3])
def test_the_source_is_never_further_ahead_than_its_depth_and_the_one_in_hand(depth: int) -> None:
    fetched = 0

    def counted() -> Iterator[int]:
        nonlocal fetched
        for number in range(50):
            fetched = number + 1
            yield number

    for number in read_ahead(counted(), depth):
        assert fetched <= number + 1 + depth + 1


def test_nothing_is_fetched_before_the_first_is_wanted() -> None:
    before = threading.active_count()
    read_ahead(range(3))
    assert threading.active_count() == before


def test_the_next_is_fetched_while_one_is_worked_on() -> None:
    second_begun = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        second_begun.set()
        yield 2

    items = read_ahead(source())
    assert next(items) == 1
    assert second_begun.wait(10)
    assert list(items) == [2]
