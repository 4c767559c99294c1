"""Where a policy's archives are, opened through Airflow's connection."""

from airflow.sdk import BaseHook, ObjectStoragePath
from airflow.sdk.exceptions import AirflowNotFoundException

from include.archive.manifest import MANIFEST, Manifest
from include.archive.shelf import Stored, read_manifest
from include.archive.storage import listed
from include.partitioning.archive_policy import ArchivePolicy
from include.partitioning.bounds import Bounds, parse_bounds
from include.partitioning.errors import PermanentError
from include.postgres.ledger_records import ArchiveRecord, Origin
from partition_operators.lifecycle_operator import Step


def archive_policy(step: Step) -> ArchivePolicy:
    """The policy's archive.

    :raises PermanentError: it has none.
    """
    if step.policy.archive is None:
        raise PermanentError(f'the policy of "{step.policy.table}" has no archive; add one')
    return step.policy.archive


def archive_root(step: Step) -> ObjectStoragePath:
    """The folder of the policy."""
    return opened(step, archive_policy(step).path)


def opened(step: Step, path: str) -> ObjectStoragePath:
    """A folder, by the connection of the policy.

    :raises PermanentError: there is no such connection; Airflow would go on as whoever the machine is.
    """
    conn_id = archive_policy(step).conn_id
    if conn_id is not None:
        try:
            BaseHook.get_connection(conn_id)
        except AirflowNotFoundException as error:
            raise PermanentError(
                f'connection "{conn_id}" of the archive does not exist; add it to Airflow, or correct archive.conn_id'
            ) from error
    return ObjectStoragePath(path, conn_id=conn_id)


def databases_of(step: Step) -> tuple[str, ...]:
    """Identities of the databases whose archives are this table's: this one, and what the policy says it was before."""
    return (step.table.cluster.identity, *archive_policy(step).former_databases)


def url_of(folder: ObjectStoragePath) -> str:
    """The folder as any tool writes it: Airflow's own text has the connection in it, in the place of a user's name."""
    return f"{folder.protocol}://{folder.path}"


def manifest_of(step: Step, record: ArchiveRecord) -> Manifest:
    """The stored manifest; if it is lost, the ledger's copy: either is enough to find and check the rows.

    :raises ArchiveMismatchError: the stored one is another, or both are lost.
    """
    folder = opened(step, record.path)
    if MANIFEST in [each.name for each in listed(folder)] or (copy := step.ledger.manifest(record.archive_id)) is None:
        return read_manifest(folder, record.manifest_sha256)
    return Manifest.from_json(copy.encode(), f"the ledger's copy of the manifest of {record.path}")


def record_of(stored: Stored[ObjectStoragePath]) -> ArchiveRecord:
    """What the ledger notes of an archive."""
    manifest = stored.manifest
    return ArchiveRecord(
        archive_id=manifest.archive_id,
        path=url_of(stored.folder),
        manifest_sha256=stored.sha256,
        rows=manifest.rows,
        bytes=manifest.data_bytes,
        snapshot_xmin=manifest.source.snapshot_xmin,
        shape_digest=manifest.source.shape_digest,
        proof=manifest.proof,
        snapshot_taken_at=manifest.source.snapshot_taken_at,
    )


def origin_of(manifest: Manifest) -> Origin:
    """Which partition an archive was made of."""
    source = manifest.source
    return Origin(source.cluster, source.parent_oid, source.partition, source.partition_oid, source.lower_bound, source.upper_bound)


def bounds_of(lower: str, upper: str) -> Bounds:
    """Bounds as a manifest has them."""
    return parse_bounds(f"FOR VALUES FROM ('{lower}') TO ('{upper}')")
