"""The bookkeeping schema `partition_lifecycle`: installing it, writing it, and asking it.

State lives here and in the archive, never in XCom: a run on another worker, or another Airflow, finds it.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from include.partitioning.approval import Entry
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.hold import Hold, why_held
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster, DetachedPartition, PartitionedTable
from include.postgres.ledger_guardrails import LedgerGuardrails, bounds_of_texts
from include.postgres.ledger_records import ArchivedPartition, ArchiveRecord, Event, Origin, RestoredTable, RunIdentity
from include.postgres.queries import Row


class Ledger(LedgerGuardrails):
    """The bookkeeping of one table. Reading works before the schema is installed: then there is nothing in it."""

    def __init__(self, connection: Connection[Any], parent: TableName, run: RunIdentity) -> None:
        super().__init__(connection, parent)
        self._run = run

    def record(self, *events: Event) -> None:
        """Append events, in order."""
        self._write("record_event", events=Jsonb([_values(each) for each in events]), **asdict(self._run))

    def created(self) -> frozenset[tuple[int, Bounds]]:
        """OIDs and bounds of the partitions of this table that we created; with other bounds it is somebody's else by now."""
        return frozenset((each["oid"], bounds_of_texts(each)) for each in self._rows_if_installed("created"))

    def has_event(self, action: str, oid: int) -> bool:
        """Whether this table's history has the action on the relation with this OID, however it ended."""
        return any(each["yes"] for each in self._rows_if_installed("has_event", action=action, oid=oid))

    def done_in_run(self, action: str, oid: int) -> bool:
        """Whether this DAG run has done the action on the relation with this OID, in this try of the task or an earlier one."""
        found = self._rows_if_installed("done_in_run", dag_id=self._run.dag_id, run_id=self._run.run_id, action=action, oid=oid)
        return any(each["yes"] for each in found)

    def index_work(self) -> frozenset[tuple[str, int, str | None]]:
        """What we began on indexes of this table's partitions: reindex or index, the partition's OID, and the index's name."""
        return frozenset((each["action"], each["oid"], each["index"]) for each in self._rows_if_installed("index_work"))

    def known_tables(self, cluster: Cluster) -> tuple[frozenset[int], frozenset[str]]:
        """OIDs of tables of this database, and names of tables of any, that were detached and not dropped, or restored, whoever their parent."""
        found = self._rows_if_installed("known_tables", since=2, **_cluster(cluster))
        return frozenset(each["oid"] for each in found if each["here"]), frozenset(each["name"] for each in found if not each["here"])

    def begun_archives(self, oid: int) -> dict[str, bool]:
        """Where archives of the relation with this OID were begun, and whether each is known as finished."""
        return {each["detail"]: each["finished"] for each in self._rows_if_installed("begun_archives", oid=oid)}

    def events_of_run(self) -> list[Row]:
        """Everything this DAG run has recorded, in order."""
        return self._rows_if_installed("events_of_run", dag_id=self._run.dag_id, run_id=self._run.run_id)

    def approvals(self) -> list[Entry]:
        """What people were asked about this table in this run, and what they said, in order."""
        found = self._rows_if_installed("approvals_of_run", dag_id=self._run.dag_id, run_id=self._run.run_id)
        return [Entry(each["outcome"], each["detail"]) for each in found]

    def record_archive(self, origin: Origin, archive: ArchiveRecord, manifest: str, *, verified: bool) -> None:
        """Note an archive. The same archive twice is one row.

        :param manifest: byte for byte.
        :param verified: it was compared with the table at hand just now.
        """
        values = asdict(archive) | _cluster(origin.cluster) | asdict(origin)
        self._write("record_archive", **values, manifest=manifest, verified=verified)

    def archives(self, databases: Collection[str]) -> list[ArchivedPartition]:
        """Archives of this table that no later one replaces; of one name there may be several, if it was used again for other rows.

        :param databases: identities of the databases whose archives count: this one, and what it was before.
        """
        return [_archived(each) for each in self._rows_if_installed("archives", since=2, databases=list(databases))]

    def manifest(self, archive_id: str) -> str | None:
        """The copy of an archive's manifest, byte for byte; None if there is none."""
        found = self._rows_if_installed("manifest", since=2, archive_id=archive_id)
        return found[0]["manifest"] if found else None

    def archive_ids(self) -> frozenset[str]:
        """Of all archives of this table that are written down, older versions included."""
        return frozenset(each["archive_id"] for each in self._rows_if_installed("archive_ids"))

    def restore_began(self, cluster: Cluster, relation: TableName, oid: int, archive_id: str, mode: str) -> None:
        """Note a table that is going to be filled from an archive, in the transaction that creates it."""
        self._write("restore_began", **_cluster(cluster), oid=oid, relation=str(relation), archive_id=archive_id, mode=mode)

    def restore_finished(self, cluster: Cluster, oid: int) -> None:
        """Note that it was filled and compared."""
        self._write("restore_finished", **_cluster(cluster), oid=oid)

    def restored(self, cluster: Cluster) -> list[RestoredTable]:
        """Tables built from this table's archives that exist."""
        found = self._rows_if_installed("restored", since=2, **_cluster(cluster))
        return [
            RestoredTable(
                TableName(each["schema"], each["name"]),
                each["oid"],
                each["archive_id"],
                each["mode"],
                each["finished_at"] is not None,
                each["attached"],
            )
            for each in found
        ]

    def record_drill(self, archive_id: str, *, passed: bool) -> None:
        """Note that an archive was restored for a drill, or that it could not be."""
        self._write("record_drill", archive_id=archive_id, passed=passed)

    def last_run(self) -> datetime | None:
        """When a run of this table's DAG last succeeded, whether or not it had anything to do."""
        found = self._rows_if_installed("last_run")
        moment: datetime | None = found[0]["moment"] if found else None
        return moment

    def analyzed_at(self) -> datetime | None:
        """When this table was last analyzed as a whole, by this package."""
        found = self._rows_if_installed("analyzed_at")
        moment: datetime | None = found[0]["moment"] if found else None
        return moment

    def drilled_at(self, cluster: Cluster) -> datetime | None:
        """When an archive of this table in this database was last restored and compared, for a drill."""
        found = self._rows_if_installed("drilled_at", since=2, **_cluster(cluster))
        moment: datetime | None = found[0]["moment"] if found else None
        return moment

    def latest_archive(self, table: PartitionedTable, partition: TableName, oid: int, bounds: Bounds) -> ArchiveRecord | None:
        """The newest verified archive of exactly this partition: same cluster, OIDs, name and bounds."""
        found = self._rows_if_installed("latest_archive", since=2, **_key(table), **_bound_texts(bounds), oid=oid, partition=str(partition))
        return ArchiveRecord(**found[0]) if found else None

    def announce_detach(self, table: PartitionedTable, partition: TableName, oid: int, bounds: Bounds, columns_digest: str) -> None:
        """Write down that a detach begins, before it begins: so that it is found again whatever happens."""
        texts = _bound_texts(bounds)
        self._write("announce_detach", **_key(table), **texts, oid=oid, partition=str(partition), columns_digest=columns_digest)

    def record_detached(self, table: PartitionedTable, oid: int, detached_at: datetime, drop_after: datetime | None) -> None:
        """Note that the table is on its own now; keeps the first time if it was noted before."""
        self._write("record_detached", **_key(table), oid=oid, detached_at=detached_at, drop_after=drop_after)

    def record_dropped(self, table: PartitionedTable, oid: int) -> None:
        """Note the drop, in the transaction of the drop."""
        self._write("record_dropped", **_key(table), oid=oid)

    def detached(self, table: PartitionedTable) -> list[DetachedPartition]:
        """What we detached, or began to detach, from this very table and have not dropped."""
        holds = self.holds()
        return [_detached(table, each, holds) for each in self._rows_if_installed("detached", **_key(table))]

    def forget_reattached(self, table: PartitionedTable) -> list[str]:
        """Remove entries of partitions that were detached by us and are attached again; returns their names."""
        return [each["partition"] for each in self._rows_if_installed("forget_reattached", **_key(table))]

    def dropped_at(self, table: PartitionedTable, partition: TableName) -> datetime | None:
        """When we dropped the partition of this name, the last time we did."""
        found = self._rows_if_installed("dropped_at", **_key(table), partition=str(partition))
        moment: datetime | None = found[0]["moment"] if found else None
        return moment

    def foreign_rows(self, table: PartitionedTable) -> int:
        """Undropped entries about a table of this name that is not this very table: a restored dump, or a table built anew."""
        return sum(each["rows"] for each in self._rows_if_installed("foreign_rows", **_key(table)))


def _detached(table: PartitionedTable, found: Row, holds: Sequence[Hold]) -> DetachedPartition:
    bounds = bounds_of_texts(found)
    return DetachedPartition(
        name=TableName.parse(found["partition"]),
        oid=found["oid"],
        parent=table.name,
        parent_oid=table.oid,
        bounds=bounds,
        columns_digest=found["columns_digest"],
        detached_at=found["detached_at"],
        drop_after=found["drop_after"],
        found_as=TableName(found["schema_today"], found["name_today"]) if found["name_today"] else None,
        attached=found["attached"],
        held=why_held(holds, bounds),
    )


def _key(table: PartitionedTable) -> dict[str, int]:
    return {**_cluster(table.cluster), "parent_oid": table.oid}


def _cluster(cluster: Cluster) -> dict[str, int]:
    return {"system_identifier": cluster.system_identifier, "database_oid": cluster.database_oid}


def _archived(found: Row) -> ArchivedPartition:
    record = {key: found[key] for key in ArchiveRecord.__dataclass_fields__}
    return ArchivedPartition(TableName.parse(found["partition"]), bounds_of_texts(found), ArchiveRecord(**record), found["drill_tried_at"])


def _values(event: Event) -> dict[str, object]:
    values = asdict(event) | {"partition": _text(event.partition), **_bound_texts(event.bounds)}
    del values["bounds"]
    return values


def _text(name: TableName | None) -> str | None:
    return None if name is None else str(name)


def _bound_texts(bounds: Bounds | None) -> dict[str, str | None]:
    if bounds is None:
        return {"lower": None, "upper": None}
    return {"lower": KeyType.TIMESTAMPTZ.literal(bounds.lower), "upper": KeyType.TIMESTAMPTZ.literal(bounds.upper)}
