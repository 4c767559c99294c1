"""The manifest as JSON and back."""

from datetime import UTC, datetime

import pytest

from include.archive.manifest import ArchivedFile, Manifest, Source
from include.partitioning.column import Column, Evidence
from include.partitioning.errors import ArchiveMismatchError

MANIFEST = Manifest(
    archive_id="a1",
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
    columns=(Column("größe\n", "numeric(6,2)", "numeric", 393222, not_null=True, default_expression="'x'::text"), Column("", "text[]")),
    ddl=("CREATE TABLE x ()",),
    rows=3,
    files=(ArchivedFile(name="a", bytes=7, sha256="s", rows=1), ArchivedFile(name="b", bytes=5, sha256="t", rows=2)),
    content_sha256="c",
    evidence=Evidence(3, {"größe\n": {"non_null": 3, "sum": 2**64 - 1, "min": -(2**63)}, "": {"non_null": 0, "bytes": None}}),
    versions={"postgresql": "18.4"},
)


def test_a_manifest_reads_back_as_itself() -> None:
    assert Manifest.from_json(MANIFEST.to_json(), "here") == MANIFEST


def test_a_manifest_says_what_it_is() -> None:
    assert b'"format": "postgresql-partition-archive"' in MANIFEST.to_json()
    assert b'"format_version": 1' in MANIFEST.to_json()


def test_the_bytes_of_all_files_count() -> None:
    assert MANIFEST.data_bytes == 12


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('"format_version": 1', '"format_version": 2', "format_version"),
        ('"format": "postgresql-partition-archive"', '"format": "tar"', "format"),
        ('"rows": 3,', '"rows": 3, "extra": 1,', "extra"),
        ('"archive_id": "a1"', '"archive_id": null', "archive_id"),
        ('"snapshot_xmin"', '"xmin"', "source.snapshot_xmin"),
    ],
)
def test_a_manifest_of_another_version_or_shape_is_refused_with_the_place(old: str, new: str, where: str) -> None:
    text = MANIFEST.to_json().decode()
    assert old in text
    with pytest.raises(ArchiveMismatchError, match=f'"here" is not a manifest that this version can read: .*{where}'):
        Manifest.from_json(text.replace(old, new, 1).encode(), "here")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe"])
def test_what_is_no_manifest_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ArchiveMismatchError, match=r"not a manifest"):
        Manifest.from_json(data, "here")
