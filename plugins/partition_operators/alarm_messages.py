"""Who hears of which alarms: each notifier of the policies gets one message with all that concerns it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from include.partitioning.alarm import Alarm
from include.partitioning.errors import NotToldError
from include.partitioning.notification import Notification
from include.partitioning.notify import NotifierPolicy, Occasion
from include.partitioning.policy import PartitionPolicy
from partition_operators.notifiers import tell


def tell_of(alarms: Sequence[Alarm], where: str, policies: Iterable[PartitionPolicy], context: Mapping[str, Any]) -> list[str]:
    """Tell whom the policies name; an alarm that is about no table concerns everybody.

    :param where: for the subject: `on "postgres_default"`.
    :returns: who could not be told, and why, a sentence each.
    """
    not_told = []
    for entry, concerned in _by_notifier(alarms, policies):
        problems = "1 problem" if len(concerned) == 1 else f"{len(concerned)} problems"
        subject = f"partition alarm {where}: {problems}, the worst is {concerned[0].severity.name.lower()}"
        try:
            tell(Notification(Occasion.ALARM, subject, tuple(map(str, concerned))), [entry], context)
        except NotToldError as error:
            not_told.append(str(error))
    return not_told


def _by_notifier(alarms: Sequence[Alarm], policies: Iterable[PartitionPolicy]) -> Iterator[tuple[NotifierPolicy, list[Alarm]]]:
    """Equal notifiers of several policies are one."""
    entries: dict[str, NotifierPolicy] = {}
    tables: dict[str, set[object]] = {}
    for policy in policies:
        for entry in policy.notify.whom(Occasion.ALARM):
            same = entry.model_dump_json()
            entries[same] = entry
            tables.setdefault(same, set()).add(policy.table)
    for same, entry in entries.items():
        concerned = [alarm for alarm in alarms if alarm.table is None or alarm.table in tables[same]]
        if concerned:
            yield entry, sorted(concerned, key=lambda alarm: -alarm.severity)
