"""Where expired partitions are archived, and how an archive is proven."""

from typing import Annotated

from pydantic import Field

from include.partitioning.choices import Proof
from include.partitioning.fields import ArchivePathField
from include.partitioning.frozen import Frozen


class ArchivePolicy(Frozen):
    """Where expired partitions go before they are dropped."""

    path: ArchivePathField = Field(
        description="A folder in object storage that Airflow's ObjectStoragePath opens. A file:/// path must be shared by all workers.",
        examples=["s3://bucket/prefix"],
    )
    conn_id: str | None = Field(None, description="Airflow connection of the storage.", examples=["aws_default"])
    compression: Annotated[str, Field(pattern="^(zstd|snappy|gzip|none)$")] = Field(
        "zstd", description="Compression of the Parquet pages: zstd, snappy, gzip or none.", examples=["zstd"]
    )
    proof: Proof = Field(
        Proof.STANDARD,
        description="standard: stored rows against what the server sent; full: also against a second reading; restore: also loaded and compared.",
        examples=["standard"],
    )
    files: int = Field(
        1, strict=True, ge=1, le=16, description="Files per partition, each written by a connection of its own.", examples=[1]
    )
    former_databases: tuple[Annotated[str, Field(pattern=r"^\d+/\d+$")], ...] = Field(
        (),
        description="`<system identifier>/<database OID>` of databases whose archives may lie below the same path: what this one was before.",
        examples=[["7382948271645539921/16384"]],
    )
