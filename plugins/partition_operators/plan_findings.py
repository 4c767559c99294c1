"""What a person should know that is not in the table's own catalog: what the ledger says, who is in the way, and who has copies."""

from include.partitioning.choices import FirstDrop
from include.partitioning.plan import Plan
from include.partitioning.server_faults import why_no_concurrent_index
from include.partitioning.target import Target
from include.postgres.detaching import why_not
from include.postgres.parity import upcoming_findings
from include.postgres.partman import maintenance_finding
from include.postgres.preflight import replicas, waits_ahead
from include.postgres.privileges import findings, lacking_privileges
from include.postgres.references import blocked_detaches
from include.postgres.strays import stray_findings
from partition_operators.default_rows import default_findings
from partition_operators.guardrails import why_not_published, why_nothing_goes
from partition_operators.lifecycle_operator import Step
from partition_operators.run_alerts import unusable_alerts


def findings_beside(step: Step, plan: Plan) -> list[str]:
    """One sentence each; what stops something comes first."""
    rival = maintenance_finding(step.connection, step.table)
    stops = [*why_nothing_goes(step), *rival, *_server(step, plan), *_privileges(step, plan), *_references(step, plan)]
    strays = stray_findings(step.connection, step.ledger, step.table)
    around = [*_surroundings(step, plan), *_differences(step, plan)]
    return [*stops, *unusable_alerts(step.policy), *_publications(step, plan), *default_findings(step), *_ledger(step), *strays, *around]


def _server(step: Step, plan: Plan) -> list[str]:
    """What this release of PostgreSQL must not be asked to do."""
    detaches = any("detach" in each.steps for each in plan.expires)
    no_detach = why_not(step.connection, step.table) if detaches else None
    no_index = why_no_concurrent_index(step.table.server_version)
    said = {"no partition will be detached": no_detach, "no index will be rebuilt": no_index}
    return [f"{what}: {why}" for what, why in said.items() if why]


def _privileges(step: Step, plan: Plan) -> list[str]:
    return findings(lacking_privileges(step.connection, step.ledger, step.policy, step.table, [each.oid for each in plan.expires]))


def _references(step: Step, plan: Plan) -> list[str]:
    partitions = [Target(each.name, each.oid, each.bounds) for each in plan.expires if "detach" in each.steps]
    return blocked_detaches(step.connection, step.table, partitions)


def _publications(step: Step, plan: Plan) -> list[str]:
    reason = why_not_published(step) if plan.creates else None
    return [reason] if reason else []


def _ledger(step: Step) -> list[str]:
    found = []
    strangers = step.ledger.foreign_rows(step.table)
    if strangers:
        found.append(
            f'the ledger has {strangers} detached partitions of another "{step.table.name}": this database was restored from a dump, or the '
            "table was built anew or renamed; they are left alone"
        )
    if step.policy.first_drop is FirstDrop.AFTER_DRILL and step.ledger.drilled_at(step.table.cluster) is None:
        found.append(
            "nothing is dropped yet: first_drop is after_drill, and no archive was restored and compared; run the DAG partition_restore_drill"
        )
    return found


def _differences(step: Step, plan: Plan) -> list[str]:
    return upcoming_findings(step.connection, step.table, plan.horizon.reference)


def _surroundings(step: Step, plan: Plan) -> list[str]:
    ahead = waits_ahead(step.connection, [step.table.oid, *(each.oid for each in plan.expires)]) if plan.expires else []
    return [*replicas(step.connection, step.table.name, step.table.oid), *ahead]
