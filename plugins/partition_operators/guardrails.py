"""What must hold before anything is destroyed, besides the partition's own conditions. Asked by the plan, and by each step that destroys."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from include.partitioning.choices import SubscriberPartitions
from include.partitioning.confirmation import why_not_home, why_shortened
from include.partitioning.errors import DestructionRefusedError
from include.postgres import catalog
from include.postgres.preflight import lagging_slots, unmanaged_publications
from include.postgres.reshaping.scratch import why_reshaped
from partition_operators.lifecycle_operator import Step

LARGEST_CLOCK_DIFFERENCE = timedelta(minutes=5)


def read_clock(step: Step) -> Step:
    """The step with the database's clock as it is now; long work may lie between the two."""
    return replace(step, database_now=catalog.database_now(step.connection))


def refuse_clock_difference(step: Step) -> None:
    """Worker and database must agree on the time before anything is destroyed.

    :raises DestructionRefusedError: they differ by more than five minutes.
    """
    difference = abs(datetime.now(UTC) - step.database_now)
    if difference > LARGEST_CLOCK_DIFFERENCE:
        raise DestructionRefusedError(
            f"the clocks of this worker and of the database differ by {difference}; nothing is destroyed until they agree within "
            f"{LARGEST_CLOCK_DIFFERENCE}: check NTP on both"
        )


def why_nothing_goes(step: Step) -> list[str]:
    """Why nothing of this table may be detached or dropped now; empty if it may."""
    home = step.ledger.home()
    reasons = [
        why_reshaped(step.connection, step.table),
        why_not_home(home) if home else None,
        why_shortened(step.table.name, step.ledger.last_retention(), step.policy.retention, step.database_now),
        *(
            f"nothing is detached or dropped while replication {slot}: more than max_slot_lag"
            for slot in lagging_slots(step.connection, step.policy.max_slot_lag)
        ),
    ]
    return [reason for reason in reasons if reason]


def refuse_destruction(step: Step) -> None:
    """Look at the guardrails, and note the retention by which the table expires.

    :raises DestructionRefusedError: with all that stands against it.
    """
    reasons = why_nothing_goes(step)
    if reasons:
        raise DestructionRefusedError("; ".join(reasons))
    if step.policy.retention is not None:
        step.ledger.record_retention(step.policy.retention)


def why_not_published(step: Step) -> str | None:
    """Why no partition may be created while subscribers may lack it, or None."""
    if step.policy.subscriber_partitions is SubscriberPartitions.MANAGED:
        return None
    names = unmanaged_publications(step.connection, step.table.oid)
    if not names:
        return None
    return (
        f'"{step.table.name}" is published by "{", ".join(names)}" partition by partition, and subscribers that lack a new one stop applying '
        "changes, whose WAL then fills the disk of this server; publish it with publish_via_partition_root, or see to it that subscribers have "
        "each partition in time and say so in the policy: subscriber_partitions: managed"
    )
