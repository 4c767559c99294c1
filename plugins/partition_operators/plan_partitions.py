"""The plan step."""

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from include.partitioning.approval import digest_of, intentions
from include.partitioning.expiry import Horizon
from include.partitioning.missing import possible_names
from include.partitioning.plan import Plan, make_plan
from include.partitioning.plan_text import Line, as_dict, describe, lines_as_dicts
from include.postgres import catalog
from include.postgres.intentions import statements_of
from include.postgres.recent_view import check_name
from partition_operators.folded_log import folded
from partition_operators.index_plan import index_lines
from partition_operators.lifecycle_operator import LifecycleOperator, Step
from partition_operators.plan_findings import findings_beside


class PlanPartitionsOperator(LifecycleOperator):
    """Say what a run would do, and why, without doing anything.

    Reads the catalog and the ledger only. The plan goes to the log and, whole, to XCom under `plan`; the return value is the
    list of partitions to expire, over which the rest of the DAG is mapped.

    **When it fails** nothing is destroyed in this run. The message names the policy key or the catalog object that does not fit.

    Arguments: see `LifecycleOperator`.
    """

    action: ClassVar[str] = "plan"
    ui_color = "#e8eaf6"

    def perform(self, step: Step) -> list[str]:
        """Return the names of the partitions to expire, oldest first, as `schema.name`."""
        if step.policy.recent_view is not None:
            check_name(step.connection, step.ledger, step.policy.recent_view, step.table)
        plan = current_plan(step)
        plan = replace(plan, findings=(*plan.findings, *findings_beside(step, plan)))
        sizes = catalog.sizes(step.connection, [each.oid for each in plan.expires])
        statements = statements_of(step.connection, step.table, plan)
        indexes = index_lines(step, {each.oid for each in plan.expires if each.steps})
        self._say([*describe(plan, sizes, statements), *indexes])
        digest = digest_of(intentions(step.policy, step.table, plan))
        self.log.info("digest of what would be destroyed: %s", digest)
        instance = step.context.get("ti")
        if instance is not None:
            instance.xcom_push(key="plan", value=as_dict(plan, sizes, statements) | {"digest": digest, "indexes": lines_as_dicts(indexes)})
        return [str(each.name) for each in plan.expires]

    def _say(self, lines: Iterable[Line]) -> None:
        """What will be done at a glance; the statements are there for whoever unfolds them."""
        for line in lines:
            self.log.info("%s", line.text)
            if line.statements:
                with folded(self.log, f"    {len(line.statements)} statements"):
                    for statement in line.statements:
                        self.log.info("    %s;", statement)

    def changes_database(self) -> bool:
        """It only reads."""
        return False


def current_plan(step: Step) -> Plan:
    """The plan as the catalog and the ledger are now."""
    policy, table, detached = step.policy, step.table, step.ledger.detached(step.table)
    horizon = Horizon.of(policy, table.key_type, step.reference, step.database_now)
    names = catalog.names_taken(step.connection, table.name.schema, possible_names(policy, table, detached, horizon))
    return make_plan(policy, table, detached, names, reference=step.reference, database_now=step.database_now)
