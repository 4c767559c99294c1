"""What a step read and wrote, for OpenLineage: named while the step works, told when Airflow's provider asks.

Names are those of OpenLineage's naming conventions, so that they are the ones by which other tools speak of the same tables and files:
`postgres://host:port` and `database.schema.table`; `s3://bucket` and the object's key; `file` and the path.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName

SAME_STORE = {"s3a": "s3", "s3n": "s3", "gcs": "gs"}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table, or a file.

    :param rows: read from it or written to it by this step.
    :param change: what became of it: CREATE, ALTER or DROP; None: nothing but its rows.
    """

    namespace: str
    name: str
    rows: int | None = None
    bytes: int | None = None
    change: str | None = None


@dataclass(slots=True)
class Lineage:
    """All that one step has read and written so far."""

    inputs: list[Dataset] = field(default_factory=list)
    outputs: list[Dataset] = field(default_factory=list)

    def note(self, *, inputs: Sequence[Dataset] = (), outputs: Sequence[Dataset] = ()) -> None:
        """Add what has been done."""
        self.inputs.extend(inputs)
        self.outputs.extend(outputs)


def table(connection: Connection[Any], name: TableName, *, rows: int | None = None, change: str | None = None) -> Dataset:
    """A table of the database that the connection leads to."""
    info = connection.info
    return Dataset(server_namespace(info.host, info.port), f"{info.dbname}.{name.schema}.{name.name}", rows, change=change)


def server_namespace(host: str | None, port: int) -> str:
    """The namespace of a server's tables; one that is reached by a Unix socket is on this machine."""
    return f"postgres://{'localhost' if not host or host.startswith(('/', '@')) else host}:{port}"


def archive_files(folder: str, manifest: str) -> list[Dataset]:
    """The data files of an archive.

    :param folder: as a URL.
    :param manifest: its text.
    """
    scheme, _, place = folder.partition("://")
    bucket, _, prefix = place.partition("/")
    namespace, path = ("file", place) if scheme == "file" else (f"{SAME_STORE.get(scheme, scheme)}://{bucket}", prefix)
    return [Dataset(namespace, f"{path.rstrip('/')}/{each['name']}", each["rows"], each["bytes"]) for each in json.loads(manifest)["files"]]


def facets(lineage: Lineage) -> Any:  # noqa: ANN401 - a class of the provider's, which may not be installed
    """The same in the provider's words; only the provider asks for it, so it and its client are there."""
    from airflow.providers.openlineage.extractors import OperatorLineage  # noqa: PLC0415 - the provider may not be installed

    return OperatorLineage(inputs=[_input(each) for each in lineage.inputs], outputs=[_output(each) for each in lineage.outputs])


def _input(dataset: Dataset) -> Any:  # noqa: ANN401 - a class of the provider's client
    from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415 - the provider may not be installed
    from openlineage.client.facet_v2 import input_statistics_input_dataset  # noqa: PLC0415 - as above

    counted = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=dataset.rows, size=dataset.bytes)
    return InputDataset(dataset.namespace, dataset.name, inputFacets={} if dataset.rows is None else {"inputStatistics": counted})


def _output(dataset: Dataset) -> Any:  # noqa: ANN401 - a class of the provider's client
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415 - the provider may not be installed
    from openlineage.client.facet_v2 import lifecycle_state_change_dataset as changes  # noqa: PLC0415 - as above
    from openlineage.client.facet_v2 import output_statistics_output_dataset  # noqa: PLC0415 - as above

    counted = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=dataset.rows, size=dataset.bytes)
    changed = dataset.change and changes.LifecycleStateChangeDatasetFacet(changes.LifecycleStateChange[dataset.change])
    return OutputDataset(
        dataset.namespace,
        dataset.name,
        facets={"lifecycleStateChange": changed} if changed else {},
        outputFacets={} if dataset.rows is None else {"outputStatistics": counted},
    )
