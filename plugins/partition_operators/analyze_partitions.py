"""The analyze step."""

from typing import ClassVar

from include.postgres.analyzing import analyze_table, due_analyses
from partition_operators.lifecycle_operator import LifecycleOperator, Step


class AnalyzePartitionsOperator(LifecycleOperator):
    """ANALYZE the partitions that changed or were never analyzed, and the parent, which autovacuum never does.

    **When it fails** queries go on with the old statistics. A server that only warns ("permission denied … skipping it") has failed:
    the message says which relation.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "analyze"
    ui_color = "#f3e5f5"

    def perform(self, step: Step) -> list[str]:
        """Return the names of what was analyzed, as `schema.name`."""
        if step.dry_run:
            for analysis in due_analyses(step.connection, step.ledger, step.table):
                self.log.info("    %s;  -- %s", analysis.statement.as_string(step.connection), analysis.reason)
            return []
        done = analyze_table(step.executor, step.ledger, step.table)
        self.log.info("analyzed %d relations", len(done))
        return [str(each.name) for each in done]
