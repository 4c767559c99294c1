"""The first step of a reshaping: what would be done, and whether it can be."""

from typing import Any, ClassVar

from include.partitioning.errors import BadArgumentError
from include.partitioning.fields import parse_size
from include.partitioning.plan_text import human_bytes
from include.postgres import catalog
from include.postgres.preflight import standbys_ahead, waits_ahead
from include.postgres.reshaping.reshaper import Reshaper
from include.postgres.reshaping.scratch import Scratch, look
from partition_operators.lifecycle_operator import Step
from partition_operators.reshape_operator import ReshapeOperator


class PlanReshapeOperator(ReshapeOperator):
    """Look at the table and all that hangs on it, say what will be different, and refuse what cannot be done. Nothing is created.

    **When it fails** the message names everything that stands against it, each with what to do about it: rows without a key, a constraint
    that cannot include the key, a view that cannot be made anew, a disk that is too small.

    :param free_disk: how much is free where the table lies, such as `500 GiB`; empty: the disk is looked at, which takes a server on the
        same machine. (templated)

    Other arguments: see `ReshapeOperator`.
    """

    template_fields = ("free_disk", *ReshapeOperator.template_fields)
    action: ClassVar[str] = "plan_reshape"
    ui_color = "#e3f2fd"

    def __init__(self, *, free_disk: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - ReshapeOperator's arguments
        super().__init__(**kwargs)
        self.free_disk = free_disk

    def changes_database(self) -> bool:
        """It only reads."""
        return False

    def perform(self, step: Step) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """Return the plan, a sentence each."""
        done = self._why_done(step)
        if done is not None:
            self.log.info("nothing to do: %s", done)
            return [done]
        lines = self._lines(step, self.reshaper(step))
        for line in lines:
            self.log.info("%s", line)
        return lines

    def reshape(self, step: Step, reshaper: Reshaper) -> Any:  # noqa: ANN401 - what a step returns goes to XCom
        """Not reached: planning takes no lock."""
        raise NotImplementedError

    def _lines(self, step: Step, reshaper: Reshaper) -> list[str]:
        state = look(step.connection, Scratch.of(step.table))
        if state.begun:
            synced = "; every change is made in both" if state.in_sync else ""
            return [
                f'"{step.table.name}" is on its way: {state.copied} portions are copied, {len(state.left)} are left, {len(state.filling)} partitions '
                f"lack their indexes{synced}"
            ]
        reshaper.survey.refuse(self._free())
        partitions = reshaper.survey.partitions(step.reference, step.database_now)
        oids = [step.table.oid, *(each.oid for each in step.table.partitions)]
        size = sum(catalog.sizes(step.connection, oids).values())
        shape = f"{len(partitions)} partitions of one {step.policy.interval}" if partitions else "one table"
        extent = reshaper.survey.extent
        return [
            f'"{step.table.name}" ({extent.rows:,} rows, {human_bytes(size)}, {step.policy.partition_key} from {extent.lowest} to {extent.highest}) '
            f"becomes {shape}",
            *(f"{each.name} {each.bounds}: {each.reason}" for each in partitions),
            *reshaper.survey.explain(),
            f"the old table is kept for {step.policy.reshape.keep_former}",
            *standbys_ahead(step.connection, "the exchange"),
            *waits_ahead(step.connection, oids, "the exchange"),
        ]

    def _free(self) -> int | None:
        given = str(self.free_disk or "").strip()
        if given in ("", "None"):
            return None
        try:
            return parse_size(given)
        except ValueError as error:
            raise BadArgumentError(f'free_disk "{given}" is not a size; write it as 500 GiB') from error
