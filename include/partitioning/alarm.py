"""Whether a table's maintenance has stopped, or is about to be missed: decided from what was seen, without a clock.

This is not what the lifecycle's DAG says of itself: it is asked by others, so that a DAG that does not run is noticed too.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from itertools import islice, takewhile

from include.partitioning.bounds import Bounds
from include.partitioning.calendar import Calendar, on_key_axis
from include.partitioning.choices import OnExpiry
from include.partitioning.expiry import Horizon, why_kept
from include.partitioning.missing import end_of_wanted
from include.partitioning.names import TableName
from include.partitioning.partition import DetachedPartition, PartitionedTable
from include.partitioning.policy import PartitionPolicy
from include.partitioning.schedule import due_before

GRACE = timedelta(hours=1)
"""That a run may take before it is missed, where the policy has no `deadline`; besides waiting for a person."""


class Severity(IntEnum):
    """How bad it is; the values are the exit status that monitoring programs know."""

    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that a person must look at.

    :param table: None where it is about a whole database, or a policy file.
    """

    severity: Severity
    about: str
    wrong: str
    table: TableName | None = None

    def __str__(self) -> str:
        """One line."""
        return f"{self.severity.name} {self.about}: {' '.join(self.wrong.split())}"


@dataclass(frozen=True, slots=True)
class History:
    """What the ledger says of a table.

    :param last_run: when a run of its DAG last succeeded; None: never, or not since runs are written down.
    :param detached: partitions that were detached and not dropped.
    """

    last_run: datetime | None
    detached: Sequence[DetachedPartition]


@dataclass(frozen=True, slots=True)
class Seen:
    """A table as it was found.

    :param now: the database's clock.
    :param history: None if the ledger could not be read. Then holds are not known either.
    :param default_has_rows: whether DEFAULT has rows that belong elsewhere; None if there is no DEFAULT, or it could not be told.
    :param unread: what could not be read, a sentence each.
    """

    table: PartitionedTable
    now: datetime
    history: History | None
    default_has_rows: bool | None = None
    unread: tuple[str, ...] = ()


def alarms_of(policy: PartitionPolicy, seen: Seen) -> list[Alarm]:
    """All that is wrong with a table, the worst first."""
    created = _due(policy, seen.now)
    ended = _due(policy, seen.now - _for_a_person(policy))  # creating does not wait for one
    found = [
        *_runway(policy, seen, created[0] if created else seen.now),
        *([] if seen.history is None or not ended else _missed(policy, seen, seen.history, ended[1])),
        *_half_done(seen),
    ]
    alarms = [Alarm(severity, str(policy.table), wrong, policy.table) for severity, wrong in found]
    return sorted(alarms, key=lambda alarm: -alarm.severity)


def _runway(policy: PartitionPolicy, seen: Seen, due: datetime) -> Iterator[tuple[Severity, str]]:
    """Whether the partitions are there that the run which was due last should have made."""
    calendar = Calendar.of_key(policy.interval, seen.table.key_type, policy.timezone)
    current = calendar.holding(on_key_axis(seen.now, seen.table.key_type, policy.timezone))
    end = end_of_wanted(policy, calendar, Horizon.of(policy, seen.table.key_type, seen.now, seen.now))
    existing = [each.bounds for each in seen.table.partitions if each.bounds is not None and not each.detach_pending]
    gaps = Bounds(current.bounds.lower, end).minus(existing)
    promised = end_of_wanted(policy, calendar, Horizon.of(policy, seen.table.key_type, due, seen.now))
    if not gaps or gaps[0].lower >= max(promised, current.bounds.upper):
        return
    fate = "rows go to DEFAULT" if seen.table.default else "INSERTs fail"
    do = f'see why the DAG "{policy.dag_id}" has not made it, and run it'
    if gaps[0].lower < current.bounds.upper:
        now = Bounds(gaps[0].lower, min(gaps[0].upper, current.bounds.upper))
        yield Severity.CRITICAL, f"no partition takes the rows of {now}, which is now: {fate}; {do}"
        return
    upcoming = islice(calendar.periods_from(current.bounds.upper), policy.premake)
    ready = sum(1 for _ in takewhile(lambda period: period.bounds.upper <= gaps[0].lower, upcoming))
    yield (
        Severity.WARNING if ready else Severity.CRITICAL,
        f"{ready} of {policy.premake} upcoming partitions are there, one per {policy.interval.value}; "
        f"from {gaps[0].lower:%Y-%m-%d %H:%M} on {fate}; {do}",
    )


def _due(policy: PartitionPolicy, now: datetime) -> list[datetime]:
    """When the last two runs were due that should have done their work by now, the later first; none without a schedule."""
    return due_before(policy.schedule, now - (policy.deadline or GRACE), 2) if policy.schedule else []


def _for_a_person(policy: PartitionPolicy) -> timedelta:
    """How much longer a run may take to end, because it waits for an approval; a `deadline` has it in it."""
    return policy.approval_timeout if policy.approval and not policy.deadline else timedelta(0)


def _missed(policy: PartitionPolicy, seen: Seen, history: History, due: datetime) -> Iterator[tuple[Severity, str]]:
    """What the last two runs should have done; `due` is when the earlier one of them was."""
    when = f"{due:%Y-%m-%d %H:%M} UTC"
    if history.last_run is None or history.last_run < due:
        last = f"the last that did was at {history.last_run:%Y-%m-%d %H:%M} UTC" if history.last_run else "none is known that ever did"
        yield (
            Severity.WARNING,
            f'no run has succeeded since {when}, and two were due; {last}: see whether the DAG "{policy.dag_id}" is paused, fails or is gone',
        )
    horizon = Horizon.of(policy, seen.table.key_type, due, seen.now)
    late = [each.name for each in seen.table.partitions if why_kept(policy, seen.table, each, horizon) is None]
    if late:
        yield Severity.WARNING, _overdue(policy, late, f"past retention since {when} or longer, and still attached")
    if policy.on_expiry is OnExpiry.DROP:
        waiting = [each.name for each in history.detached if _should_be_gone(each, horizon, due)]
        if waiting:
            yield Severity.WARNING, _overdue(policy, waiting, f"detached, to be dropped since {when} or longer, and still there")


def _should_be_gone(partition: DetachedPartition, horizon: Horizon, due: datetime) -> bool:
    there = partition.found_as == partition.name and not partition.attached and partition.held is None
    return there and partition.drop_after is not None and partition.drop_after <= due and horizon.is_past(partition.bounds)


def _overdue(policy: PartitionPolicy, names: Sequence[TableName], what: str) -> str:
    count = f"{len(names)} partitions are" if len(names) > 1 else "1 partition is"
    return f'{count} {what}, the oldest "{names[0]}": the plan of the next run says what keeps it (max_drops_per_run is {policy.max_drops_per_run})'


def _half_done(seen: Seen) -> Iterator[tuple[Severity, str]]:
    pending = [each.name for each in seen.table.partitions if each.detach_pending]
    found = [
        *(
            f'the detach of "{name}" is pending, and foreign keys are not enforced for it meanwhile; unless a run is at it, run the DAG'
            for name in pending
        ),
        *([_rows_in_default(seen.table.default.name)] if seen.default_has_rows and seen.table.default else []),
        *seen.unread,
    ]
    return ((Severity.WARNING, sentence) for sentence in found)


def _rows_in_default(name: TableName) -> str:
    return f'"{name}", the DEFAULT partition, has rows that belong elsewhere; the plan says which, and default_partition: drain moves them'
