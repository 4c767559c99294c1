"""Which archives lie in a folder, in what order, and whose they are."""

from dataclasses import replace
from pathlib import Path

import pytest
from upath import UPath

from include.archive.layout import partition_folder, version_folder
from include.archive.manifest import MANIFEST
from include.archive.shelf import archives_of_partition, archives_of_table, read_manifest, read_stored, refuse_strangers, versions_in
from include.partitioning.errors import ArchiveError, ArchiveMismatchError
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster
from tests.unit.sample_archive import ORDER, OTHER, SOURCE, archived

PARENT = TableName("core", "s")
OURS = Cluster(1, 2)


def stored(root: Path, partition: str = "s_p202510", version: int = 1, cluster: Cluster = OURS) -> Path:
    """The folder of a finished archive at its place below the root."""
    folder = version_folder(partition_folder(UPath(root), PARENT, TableName("core", partition)), version)
    source = SOURCE.model_copy(update={"system_identifier": cluster.system_identifier, "database_oid": cluster.database_oid})
    archived(Path(folder.path), order=replace(ORDER, version=version, source=source, archive_id=f"{partition}/{version}"))
    return Path(folder.path)


def found_in(root: Path) -> list[str]:
    """Which archives of the table there are."""
    return [each.manifest.archive_id for each in archives_of_table(UPath(root), PARENT)]


def test_where_nothing_was_archived_there_is_nothing(tmp_path: Path) -> None:
    folder = partition_folder(UPath(tmp_path), PARENT, TableName("core", "s_p202510"))
    assert versions_in(folder) == []
    assert list(archives_of_partition(folder)) == []
    assert found_in(tmp_path) == []
    refuse_strangers(UPath(tmp_path), PARENT, OURS, ())


def test_the_highest_version_comes_first_by_its_number_and_not_by_its_name(tmp_path: Path) -> None:
    for version in (2, 10, 1):
        stored(tmp_path, version=version)
    folder = partition_folder(UPath(tmp_path), PARENT, TableName("core", "s_p202510"))
    assert versions_in(folder) == [1, 2, 10]
    assert [each.manifest.version for each in archives_of_partition(folder)] == [10, 2, 1]


def test_the_archives_of_a_table_come_partition_by_partition(tmp_path: Path) -> None:
    for partition, version in (("s_p202511", 1), ("s_p202510", 1), ("s_p202510", 2)):
        stored(tmp_path, partition, version)
    assert found_in(tmp_path) == ["s_p202510/2", "s_p202510/1", "s_p202511/1"]


def test_a_folder_without_a_manifest_is_a_version_and_no_archive(tmp_path: Path) -> None:
    (stored(tmp_path, version=2) / MANIFEST).unlink()
    first = stored(tmp_path, version=1)
    folder = UPath(first.parent)
    assert versions_in(folder) == [1, 2]
    assert [each.manifest.version for each in archives_of_partition(folder)] == [1]


def test_what_is_no_version_folder_is_left_out(tmp_path: Path) -> None:
    place = stored(tmp_path).parent
    (place / "archive_version=x").mkdir()
    (place / "notes.txt").write_bytes(b"precious")
    assert versions_in(UPath(place)) == [1]
    assert found_in(tmp_path) == ["s_p202510/1"]


def test_a_strange_file_among_the_partitions_is_no_obstacle(tmp_path: Path) -> None:
    (stored(tmp_path).parent.parent / "_SUCCESS").write_bytes(b"")
    assert found_in(tmp_path) == ["s_p202510/1"]
    refuse_strangers(UPath(tmp_path), PARENT, OURS, ())


def test_a_stored_archive_knows_its_place_and_its_manifests_hash(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a")
    found = read_stored(UPath(tmp_path / "a"))
    assert (found.folder, found.manifest, found.sha256) == (UPath(tmp_path / "a"), manifest, sha256)


def test_an_archive_that_others_wrote_since_is_found_at_once(tmp_path: Path) -> None:
    stored(tmp_path)
    assert found_in(tmp_path) == ["s_p202510/1"]
    stored(tmp_path, version=2)
    assert found_in(tmp_path) == ["s_p202510/2", "s_p202510/1"]


# whose they are


def test_archives_of_the_same_database_are_no_strangers(tmp_path: Path) -> None:
    stored(tmp_path)
    refuse_strangers(UPath(tmp_path), PARENT, OURS, ())


@pytest.mark.parametrize("cluster", [Cluster(7, 2), Cluster(1, 7)])
def test_an_archive_of_another_database_is_refused_with_what_to_write_into_the_policy(tmp_path: Path, cluster: Cluster) -> None:
    stored(tmp_path, cluster=cluster)
    with pytest.raises(
        ArchiveError, match=rf'another database \({cluster.identity}; this one is 1/2\).*former_databases: \["{cluster.identity}"\]'
    ):
        refuse_strangers(UPath(tmp_path), PARENT, OURS, ())


def test_archives_of_a_database_that_this_one_was_before_are_no_strangers(tmp_path: Path) -> None:
    stored(tmp_path, cluster=Cluster(7, 2))
    refuse_strangers(UPath(tmp_path), PARENT, OURS, ("7/2",))


def test_a_stranger_behind_a_former_database_is_refused(tmp_path: Path) -> None:
    stored(tmp_path, "s_p202509", cluster=Cluster(7, 2))
    stored(tmp_path, "s_p202510", cluster=Cluster(8, 2))
    with pytest.raises(ArchiveError, match=r"8/2"):
        refuse_strangers(UPath(tmp_path), PARENT, OURS, ("7/2",))


def test_strangers_archives_of_another_table_do_not_matter(tmp_path: Path) -> None:
    stored(tmp_path, cluster=Cluster(7, 2))
    refuse_strangers(UPath(tmp_path), TableName("core", "t"), OURS, ())


def test_a_manifest_that_cannot_be_read_matters_to_its_own_partition_only(tmp_path: Path) -> None:
    (stored(tmp_path, "s_p202509") / MANIFEST).write_bytes(b"{}")
    stored(tmp_path, "s_p202510")
    refuse_strangers(UPath(tmp_path), PARENT, OURS, ())
    with pytest.raises(ArchiveMismatchError, match=r"not a manifest"):
        found_in(tmp_path)


# the manifest that the ledger knows


def test_the_manifest_whose_hash_the_ledger_has_is_read(tmp_path: Path) -> None:
    manifest, sha256 = archived(tmp_path / "a")
    assert read_manifest(UPath(tmp_path / "a"), sha256) == manifest


def test_the_exchanged_manifests_of_two_archives_are_found_in_both(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]
    hashes = [archived(places[0])[1], archived(places[1], OTHER)[1]]
    for place, sha256 in zip(places, reversed(hashes), strict=True):
        with pytest.raises(ArchiveMismatchError, match=r"not the manifest that was written"):
            read_manifest(UPath(place), sha256)


@pytest.mark.parametrize("changed", [b"", b"{}", None])
def test_a_changed_manifest_is_found(tmp_path: Path, changed: bytes | None) -> None:
    _, sha256 = archived(tmp_path / "a")
    file = tmp_path / "a" / MANIFEST
    file.write_bytes(file.read_bytes().replace(b'"rows": 5', b'"rows": 4') if changed is None else changed)
    with pytest.raises(ArchiveMismatchError, match=r"not the manifest that was written"):
        read_manifest(UPath(tmp_path / "a"), sha256)


def test_a_deleted_manifest_is_found(tmp_path: Path) -> None:
    _, sha256 = archived(tmp_path / "a")
    folder = UPath(tmp_path / "a")
    (tmp_path / "a" / MANIFEST).unlink()
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        read_stored(folder)
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        read_manifest(folder, sha256)
