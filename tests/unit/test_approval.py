"""What was agreed to, and whether it is still that: digest, history, comparison."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from include.partitioning.approval import (
    Answer,
    Entry,
    Intention,
    approved,
    covers,
    digest_of,
    first_question,
    intention_for,
    intentions,
    last_no,
    last_question,
    why_not_approved,
)
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.expiry import Horizon
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, PartitionedTable
from include.partitioning.plan import Expire, Plan
from include.partitioning.policy import PartitionPolicy
from include.partitioning.target import Target

NOW = datetime(2025, 10, 15, tzinfo=UTC)
NAME = TableName("core", "s_p202401")
OLD = Bounds(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC))
TABLE = PartitionedTable(TableName("core", "s"), 10, "at", KeyType.TIMESTAMPTZ, "owner", Cluster(1, 2), 180000, ())
SEEN = Intention(
    "1/2", "core.s", 10, "12 months", "core.s_p202401", 11, OLD.lower.isoformat(), OLD.upper.isoformat(), ("archive", "detach", "drop")
)
OTHER = replace(SEEN, partition="core.s_p202402", oid=12)


def policy(**values: Any) -> PartitionPolicy:
    """One that archives and drops after a year, or `values`."""
    base: dict[str, Any] = {"table": "core.s", "partition_key": "at", "retention": "12 months", "archive": {"path": "s3://bucket"}}
    return PartitionPolicy(**{**base, **values})


def planned(*expires: Expire, **values: Any) -> tuple[Intention, ...]:
    chosen = policy(**values)
    return intentions(chosen, TABLE, Plan(TABLE.name, NOW, Horizon.of(chosen, KeyType.TIMESTAMPTZ, NOW, NOW), (), expires, ()))


def detached(**values: Any) -> Target:
    record = DetachedPartition(NAME, 11, TABLE.name, 10, OLD, "d", NOW, NOW, NAME, attached=False)
    return Target(NAME, 11, OLD, None, replace(record, **values))


def asked(*found: Intention, asked: bool = True) -> list[Entry]:
    return [Entry("began", each.as_text(digest_of(found), asked=asked)) for each in found]


def said(outcome: str, *found: Intention) -> Entry:
    return Entry(outcome, Answer(digest_of(found), "approved", "ana", "2025-10-15T00:00:00+00:00").as_text())


def test_what_is_shown_is_who_the_partition_is_and_what_this_run_does_with_it() -> None:
    whole = Expire(NAME, 11, OLD, "past retention", ("archive", "detach", "drop"), 5)
    assert planned(whole) == (SEEN,)
    (later,) = planned(whole, detached_retention="7 days")
    assert later.steps == ("archive", "detach")  # the drop is another run's, which asks again
    (kept,) = planned(replace(whole, steps=("archive", "detach")), on_expiry="detach")
    assert kept.steps == ("archive", "detach")
    (waiting,) = planned(Expire(NAME, 11, OLD, "detached", ("archive", "drop"), waits=True))
    assert (waiting.steps, waiting.destroys) == ((), False)


def test_what_a_step_is_about_to_do_is_what_was_shown_before_and_after_the_detach() -> None:
    agreed = {11: SEEN}
    assert why_not_approved(agreed, intention_for(policy(), TABLE, Target(NAME, 11, OLD, 5))) is None
    assert why_not_approved(agreed, intention_for(policy(), TABLE, Target(NAME, 11, OLD, 999_999))) is None  # rows may change
    assert why_not_approved(agreed, intention_for(policy(), TABLE, detached())) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("database", "1/3"), ("table", "core.t"), ("table_oid", 9), ("retention", "2 years"), ("partition", "core.s_p202403"),
        ("oid", 8), ("lower", "2023-12-01T00:00:00+00:00"), ("upper", "2024-03-01T00:00:00+00:00"), ("steps", ("detach", "drop")),
    ],
)  # fmt: skip
def test_the_digest_and_the_comparison_change_with_everything_that_is_shown(field: str, value: Any) -> None:
    changed = replace(SEEN, **{field: value})
    assert digest_of([changed]) != digest_of([SEEN])
    assert why_not_approved({SEEN.oid: SEEN}, changed) is not None


def test_the_digest_does_not_depend_on_the_order() -> None:
    assert digest_of([SEEN, OTHER]) == digest_of([OTHER, SEEN]) != digest_of([SEEN])


def test_the_message_says_what_changed() -> None:
    agreed = {11: SEEN}
    assert why_not_approved(agreed, replace(SEEN, retention="6 months")) == "the retention was 12 months and is 6 months"
    assert why_not_approved(agreed, replace(SEEN, oid=99)) == "its OID was 11 and is 99"  # another table of that name
    assert why_not_approved(agreed, OTHER) == "it was not among the partitions that were shown"
    only_drop = {11: replace(SEEN, steps=("archive", "drop"))}
    assert (
        why_not_approved(only_drop, SEEN) == "what would be done with it was archive, drop and is archive, detach, drop"
    )  # attached again
    assert why_not_approved({11: replace(SEEN, steps=())}, SEEN) == "what would be done with it was nothing and is archive, detach, drop"


def test_an_archive_that_was_promised_must_still_be_made() -> None:
    now = intention_for(policy(archive=None, destroy_without_archive=True), TABLE, Target(NAME, 11, OLD))
    assert why_not_approved({11: SEEN}, now) == "what would be done with it was archive, detach, drop and is detach, drop"


def test_less_than_was_shown_may_be_done() -> None:
    now = intention_for(policy(on_expiry="detach"), TABLE, Target(NAME, 11, OLD))
    assert now.steps == ("archive", "detach")
    assert why_not_approved({11: SEEN}, now) is None


def test_nothing_is_agreed_to_before_an_answer_or_by_an_answer_to_another_question() -> None:
    assert approved([]) == approved(asked(SEEN)) == {}
    assert approved([*asked(SEEN), said("done", OTHER)]) == {}
    assert approved([*asked(SEEN, OTHER), said("done", SEEN, OTHER)]) == {11: SEEN, 12: OTHER}


def test_a_no_takes_back_every_yes_before_it() -> None:
    yes = [*asked(SEEN), said("done", SEEN)]
    no = [*asked(SEEN, OTHER), said("refused", SEEN, OTHER)]
    assert approved([*yes, *no]) == {}
    assert approved([*no, *yes]) == {11: SEEN}
    assert approved([*yes, *no, *asked(OTHER), said("done", OTHER)]) == {12: OTHER}


def test_the_last_yes_about_a_partition_counts() -> None:
    less = replace(SEEN, steps=("archive", "detach"))
    assert approved([*asked(SEEN), said("done", SEEN), *asked(less), said("done", less)]) == {11: less}


def test_the_last_question_is_answered_and_the_first_one_is_shown_again() -> None:
    history = [*asked(SEEN, OTHER), said("refused", SEEN, OTHER), *asked(OTHER), *asked(OTHER), *asked(SEEN, asked=False)]
    assert first_question([]) is last_question([]) is last_question(asked(SEEN, asked=False)) is None
    assert first_question(history) == (digest_of([SEEN, OTHER]), {11: SEEN, 12: OTHER})
    assert last_question(history) == (digest_of([OTHER]), {12: OTHER})


def test_a_question_covers_less_than_itself_and_nothing_more() -> None:
    assert covers({11: SEEN, 12: OTHER}, [OTHER])
    assert covers({11: SEEN}, [replace(SEEN, steps=("archive", "drop"))])
    assert not covers({11: SEEN}, [SEEN, OTHER])


def test_only_a_no_that_nothing_followed_is_an_objection() -> None:
    no, yes = said("refused", SEEN), said("done", SEEN)
    assert last_no([]) is None
    assert last_no([no, yes]) is None
    assert last_no([yes, no, *asked(SEEN)]) == Answer.from_text(no.detail)


def test_what_is_written_down_is_read_again_whatever_the_names_are() -> None:
    odd = replace(SEEN, partition='core."a|b\n`ü"')
    assert Intention.from_text(odd.as_text("d", asked=True)) == odd
    answer = Answer("f" * 64, "rejected", 'an"a', "2025-10-15T00:00:00+00:00")
    assert Answer.from_text(answer.as_text()) == answer
    assert json.loads(answer.as_text())["by"] == 'an"a'
    assert str(answer) == 'rejected by "an"a" at 2025-10-15T00:00:00+00:00 (digest ffffffffffff)'
    assert str(Entry("began", SEEN.as_text("d", asked=True))) == "planned: archive, detach, drop"
