"""The recent view step."""

from typing import ClassVar

from include.postgres.recent_view import refresh_view, view_statement
from include.postgres.table_lock import advisory_lock
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class RefreshRecentViewOperator(LifecycleOperator):
    """Make the policy's `recent_view`, or make it anew after the policy or the table's columns have changed.

    The view's lower end is computed by the database at each query, so it does not go stale when maintenance stops, and older
    partitions are pruned when the query starts.

    **When it fails** the message says what has the view's name, or why it cannot be replaced (a column was renamed: drop the view by
    hand, and run again).

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "recent_view"
    ui_color = "#e8f5e9"

    def perform(self, step: Step) -> str:
        """Return in one sentence what was done."""
        view = step.policy.recent_view
        if view is None:
            said = "the policy has no recent_view"
        elif step.dry_run:
            said = view_statement(step.connection, step.policy, view, step.table).as_string(step.connection)
        else:
            with advisory_lock(step.executor, f"view {view.name}", f'make view "{view.name}"'):
                made = refresh_view(step.executor, step.ledger, step.policy, view, step.table)
            said = f'made "{view.name}"' if made else f'"{view.name}" is what it should be'
        self.log.info("%s", said)
        return said
