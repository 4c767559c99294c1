"""The step that keeps a range of a table from expiring."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from include.partitioning.bounds import BEGINNING, END, Bounds
from include.partitioning.calendar import on_key_axis
from include.partitioning.errors import BadArgumentError
from include.partitioning.reference import parse_reference_date
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class HoldPartitionsOperator(LifecycleOperator):
    """Keep whatever lies in a range of time from being archived, detached or dropped: for a lawsuit, an audit, an investigation.

    A partition that reaches into the range is held whole. What is detached already waits as well. The plan shows each hold with its reason.
    The same range for the same reason is one hold: setting it again changes its date.

    **When it fails** nothing is held; the message says which argument is not good.

    :param start: ISO date from which on, inclusive; empty: from the beginning. (templated)
    :param end: ISO date up to which, exclusive; empty: without end. (templated)
    :param reason: why, for whoever finds the hold in two years. (templated)
    :param until: ISO date from which on the hold is over; empty: until it is lifted. (templated)
    :param by: who wants it; empty: the database user. (templated)

    Other arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", "start", "end", "reason", "until", "by", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "hold"
    ui_color = "#fce4ec"

    def __init__(
        self,
        *,
        reason: str,
        start: str | None = None,
        end: str | None = None,
        until: str | None = None,
        by: str | None = None,
        **kwargs: Any,  # noqa: ANN401 - LifecycleOperator's arguments
    ) -> None:
        super().__init__(**kwargs)
        self.reason = reason
        self.start = start
        self.end = end
        self.until = until
        self.by = by

    def perform(self, step: Step) -> list[str]:
        """Return all holds of the table that are in force, a sentence each."""
        lower, upper = self._moment(step, "from", self.start) or BEGINNING, self._moment(step, "to", self.end) or END
        if lower >= upper:
            raise BadArgumentError(f'from "{self.start}" is not before to "{self.end}"')
        reason = _given(self.reason)
        if reason is None:
            raise BadArgumentError("a hold needs a reason; say who asked for it and why")
        bounds = Bounds(lower, upper)
        until = self._until(step)
        touched = [each for each in step.table.partitions if each.bounds is not None and each.bounds.overlaps(bounds)]
        self.log.info(
            "%s reaches into %d partitions of %s: %s", bounds, len(touched), step.table.name, ", ".join(str(each.name) for each in touched)
        )
        if not step.dry_run:
            step.ledger.set_hold(bounds, until, reason, _given(self.by))
        return shown_holds(step)

    def _moment(self, step: Step, name: str, text: str | None) -> datetime | None:
        given = _given(text)
        if given is None:
            return None
        return on_key_axis(parse_reference_date(given, step.policy.timezone, name), step.table.key_type, step.policy.timezone)

    def _until(self, step: Step) -> datetime | None:
        given = _given(self.until)
        if given is None:
            return None
        until = parse_reference_date(given, step.policy.timezone, "until")
        if until <= step.database_now:
            raise BadArgumentError(f'until "{given}" is past; such a hold would hold nothing')
        return until


def shown_holds(step: Step) -> list[str]:
    """The table's holds in force, each also a line of the log."""
    lines = [f"{hold.bounds} is held {hold}" for hold in step.ledger.holds()]
    for line in lines or ["nothing is held"]:
        step.executor.log.info("%s", line)
    return lines


def _given(text: str | None) -> str | None:
    """An argument, or None for an empty field of a form."""
    stripped = str(text or "").strip()
    return None if stripped in ("", "None") else stripped
