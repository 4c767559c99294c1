"""Which partition of which database an archive is made of."""

from include.archive.manifest import Source
from include.partitioning.bounds import KeyType
from include.partitioning.target import Target
from include.postgres.export import Snapshot
from partition_operators.lifecycle_operator import Step


def source_of(step: Step, target: Target, source: Snapshot) -> Source:
    """As the manifest has it."""
    return Source(
        system_identifier=step.table.cluster.system_identifier,
        database_oid=step.table.cluster.database_oid,
        parent=str(step.table.name),
        parent_oid=step.table.oid,
        partition=str(target.name),
        partition_oid=target.oid,
        partition_key=step.table.key,
        partition_key_type=step.table.key_type.value,
        lower_bound=KeyType.TIMESTAMPTZ.literal(target.bounds.lower),
        upper_bound=KeyType.TIMESTAMPTZ.literal(target.bounds.upper),
        shape_digest=source.shape_digest,
        snapshot=source.text,
        snapshot_xmin=source.xmin,
        snapshot_taken_at=source.taken_at,
    )


def identity_of(step: Step, target: Target) -> tuple[object, ...]:
    """As `Source.identity` has it, for a comparison."""
    cluster, bounds = step.table.cluster, target.bounds
    literal = KeyType.TIMESTAMPTZ.literal
    names = (str(step.table.name), str(target.name), literal(bounds.lower), literal(bounds.upper))
    return (cluster, step.table.oid, target.oid, *names)
