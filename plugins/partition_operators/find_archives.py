"""The first step of a restore: which archives are meant."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from include.partitioning.bounds import Bounds
from include.partitioning.calendar import on_key_axis
from include.partitioning.errors import BadArgumentError
from include.partitioning.reference import parse_reference_date
from partition_operators.archive_storage import databases_of
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class FindArchivesOperator(LifecycleOperator):
    """Name the archived partitions of a range of time, from the ledger.

    **When it fails** there is no archive in that range; the message says which there are. If the ledger was lost, run the DAG
    `partition_reconcile_archives` first: it finds them in the storage.

    :param start: ISO date from which on, inclusive. (templated)
    :param end: ISO date up to which, exclusive; empty: only the partition that holds `start`. (templated)

    Other arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", "start", "end", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "find"
    ui_color = "#e0f7fa"

    def __init__(self, *, start: str, end: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's arguments
        super().__init__(**kwargs)
        self.start = start
        self.end = end

    def perform(self, step: Step) -> list[str]:
        """Return the names of archived partitions that share an instant with the range, oldest first, as `schema.name`."""
        lower = self._moment(step, "from", self.start)
        upper = lower + timedelta.resolution if str(self.end or "").strip() in ("", "None") else self._moment(step, "to", str(self.end))
        if lower >= upper:
            raise BadArgumentError(f'from "{self.start}" is not before to "{self.end}"')
        archives = sorted(step.ledger.archives(databases_of(step)), key=lambda each: each.bounds)
        found = [each for each in archives if each.bounds.overlaps(Bounds(lower, upper))]
        for each in found:
            proven = f"proven ({each.archive.proof})" if each.archive.verified_at else "found in the storage, not compared with the table"
            self.log.info("%s %s: %s rows, %s, %s", each.name, each.bounds, f"{each.archive.rows:,}", each.archive.path, proven)
        if not found:
            known = f"{archives[0].bounds} to {archives[-1].bounds}" if archives else "nothing"
            raise BadArgumentError(f'no archive of "{step.table.name}" lies in {Bounds(lower, upper)}; archived is {known}')
        return list(dict.fromkeys(str(each.name) for each in found))

    def changes_database(self) -> bool:
        """It only reads."""
        return False

    def _moment(self, step: Step, name: str, text: str) -> datetime:
        return on_key_axis(parse_reference_date(text, step.policy.timezone, name), step.table.key_type, step.policy.timezone)
