"""The manifest as JSON and back."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from include.archive.manifest import ArchivedFile, Block, Manifest, Source
from include.partitioning.blueprint import Blueprint, TableObject
from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveMismatchError
from include.partitioning.partition import Cluster

COLUMNS = (Column("größe\n", "numeric(6,2)", "numeric", 393222, not_null=True, default_expression="'x'::text"), Column("", "text[]"))
OBJECTS = (TableObject("constraint", "s_pkey", "PRIMARY KEY (id)"), TableObject("unique index", 'say "hi"', "USING btree (at)"))
MANIFEST = Manifest(
    archive_id="a1",
    version=3,
    source=Source(
        system_identifier=2**63 - 1,
        database_oid=5,
        parent="core.s",
        parent_oid=10,
        partition='core."say ""hi"""',
        partition_oid=4294967295,
        partition_key="at",
        partition_key_type="timestamp with time zone",
        lower_bound="2025-10-01 00:00:00+00",
        upper_bound="2025-11-01 00:00:00+00",
        shape_digest="d",
        snapshot="10:20:15",
        snapshot_xmin=2**62,
        snapshot_taken_at=datetime(2025, 10, 15, 1, 2, 3, 4, UTC),
    ),
    columns=COLUMNS,
    companions={"größe\n": "größe\n__text"},
    objects=OBJECTS,
    ddl=("CREATE TABLE x ()",),
    rows=3,
    files=(
        ArchivedFile(name="a", bytes=7, sha256="s", rows=1, blocks=(Block(rows=1, sha256="u"),)),
        ArchivedFile(name="b", bytes=5, sha256="t", rows=2, blocks=(Block(rows=1, sha256="v"), Block(rows=1, sha256="w"))),
    ),
    evidence=Evidence(3, {"größe\n": {"non_null": 3, "sum": 2**64 - 1, "min": -(2**63)}, "": {"non_null": 0, "bytes": None}}),
    proof="full",
    versions={"postgresql": "18.4"},
)


def test_a_manifest_reads_back_as_itself() -> None:
    assert Manifest.from_json(MANIFEST.to_json(), "here") == MANIFEST


def test_numbers_of_38_digits_in_the_evidence_read_back_as_themselves() -> None:
    large = MANIFEST.model_copy(update={"evidence": Evidence(1, {"größe\n": {"non_null": 1, "min": -(10**38 - 1), "max": 10**38 - 1}})})
    assert Manifest.from_json(large.to_json(), "here") == large


def test_a_manifest_says_what_it_is() -> None:
    found = json.loads(MANIFEST.to_json())
    assert (found["format"], found["format_version"], found["version"]) == ("postgresql-partition-archive", 2, 3)


def test_the_bytes_of_all_files_count() -> None:
    assert MANIFEST.data_bytes == 12


def test_the_blueprint_is_what_builds_the_table_again() -> None:
    assert MANIFEST.blueprint == Blueprint(COLUMNS, OBJECTS)


def test_a_source_knows_its_database_and_its_partition() -> None:
    source = MANIFEST.source
    assert source.cluster == Cluster(2**63 - 1, 5)
    assert source.cluster.identity == f"{2**63 - 1}/5"
    assert source.model_copy(update={"snapshot_xmin": 1, "shape_digest": "e"}).identity == source.identity


@pytest.mark.parametrize(
    "change",
    [
        {"system_identifier": 1},
        {"database_oid": 6},
        {"parent": "core.t"},
        {"parent_oid": 11},
        {"partition": "core.s_p1"},
        {"partition_oid": 12},
        {"lower_bound": "2025-09-01 00:00:00+00"},
        {"upper_bound": "2025-12-01 00:00:00+00"},
    ],
)
def test_another_database_table_partition_or_range_is_another_source(change: dict[str, Any]) -> None:
    assert MANIFEST.source.model_copy(update=change).identity != MANIFEST.source.identity


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"format_version": 2', '"format_version": 1', "format_version"),
        ('"format_version": 2', '"format_version": 3', "format_version"),
        ('"format": "postgresql-partition-archive"', '"format": "tar"', "format"),
        ('"rows": 3,', '"rows": 3, "extra": 1,', "extra"),
        ('"archive_id": "a1"', '"archive_id": null', "archive_id"),
        ('"snapshot_xmin"', '"xmin"', "source.snapshot_xmin"),
        ('"blocks"', '"pieces"', "files.0.blocks"),
        ('"sort": "constraint"', '"sort": "trigger"', "objects.0.sort"),
        ('"proof": "full",', "", "proof"),
    ],
)
def test_a_manifest_of_another_version_or_shape_is_refused_with_the_place(old: str, new: str, where: str) -> None:
    text = MANIFEST.to_json().decode()
    assert old in text
    with pytest.raises(ArchiveMismatchError, match=f'"here" is not a manifest that this version can read: .*{where}'):
        Manifest.from_json(text.replace(old, new, 1).encode(), "here")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}"])
def test_what_is_no_manifest_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveMismatchError, match=r"not a manifest"):
        Manifest.from_json(data, "here")
