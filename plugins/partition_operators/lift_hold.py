"""The step that ends a hold."""

from collections.abc import Sequence
from typing import Any, ClassVar

from include.partitioning.errors import BadArgumentError
from partition_operators.hold_partitions import shown_holds
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class LiftHoldOperator(LifecycleOperator):
    """End a hold, so that the next run expires what is past retention. Without a number it only lists the holds.

    The hold's row stays in `partition_lifecycle.hold`, with who lifted it and when.

    **When it fails** there is no hold of that number in force for the table; run it without a number to see which there are.

    :param number: of the hold, as the plan and the list show it; empty: list them. (templated)
    :param by: who lifts it; empty: the database user. (templated)

    Other arguments: see `LifecycleOperator`. `policy` is templated too.
    """

    template_fields: Sequence[str] = ("policy", "number", "by", *LifecycleOperator.template_fields)
    action: ClassVar[str] = "lift_hold"
    ui_color = "#fce4ec"

    def __init__(self, *, number: int | str | None = None, by: str | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - LifecycleOperator's
        super().__init__(**kwargs)
        self.number = number
        self.by = by

    def perform(self, step: Step) -> list[str]:
        """Return the holds that are in force afterwards, a sentence each."""
        text = str(self.number or "").strip()
        if text not in ("", "None"):
            self._lift(step, text)
        return shown_holds(step)

    def _lift(self, step: Step, text: str) -> None:
        in_force = {hold.number: hold for hold in step.ledger.holds()}
        if not text.isdecimal() or int(text) not in in_force:
            known = ", ".join(map(str, in_force)) or "none"
            raise BadArgumentError(f'"{step.table.name}" has no hold {text} in force; in force: {known}')
        self.log.info("%s hold %s %s", "would lift" if step.dry_run else "lifting", text, in_force[int(text)])
        if not step.dry_run:
            step.ledger.lift_hold(int(text), None if str(self.by or "None") == "None" else self.by)
