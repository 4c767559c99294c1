"""Where archives lie, also for names that mean something to a file system, and what is removed of an interrupted upload."""

from pathlib import Path

import pytest
from upath import UPath

from include.archive.layout import data_file, partition_folder, remove_half_archive, table_folder, version_folder, version_of
from include.archive.manifest import MANIFEST
from include.archive.storage import UPLOADING
from include.partitioning.names import TableName

HOSTILE = [
    "..",
    ".",
    "a/b",
    "a\\b",
    "~",
    "c:",
    "*",
    "a b",
    "%2e",
    "\n",
    "größe",
    "\U0001f600",
    "a.b",
    "-rf",
    "?",
    "#",
    "é",
    "e\u0301",
    "a=1",
]


def place(parent: TableName, partition: TableName) -> str:
    """The folder below the root."""
    folder = partition_folder(UPath("/base"), parent, partition)
    return str(folder.path).removeprefix("/base/")


def test_ordinary_names_are_folders_of_the_same_name() -> None:
    parent, partition = TableName("core", "sessions"), TableName("core", "sessions_p202510")
    assert place(parent, partition) == "core.sessions/sessions_p202510"
    assert partition_folder(UPath("/base"), parent, partition).parent == table_folder(UPath("/base"), parent)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_neither_leaves_its_folder_nor_adds_one(name: str) -> None:
    found = place(TableName(name, name), TableName(name, name))
    parts = found.split("/")
    assert len(parts) == 2
    assert not {"", ".", ".."} & set(parts)
    assert found.isascii()
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-~./")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (TableName("a.b", "c"), TableName("a", "b.c")),
        (TableName("a", "~2e~"), TableName("a", ".")),
        (TableName("a", "\U0001f600"), TableName("a", "\u1f600")),
        (TableName("a", "\U00010000"), TableName("a", "\u10000")),
        (TableName("a", "ж" * 31), TableName("a", "ж" * 30 + "э")),
    ],
)
def test_two_tables_never_share_a_folder(first: TableName, second: TableName) -> None:
    assert place(first, first) != place(second, second)


@pytest.mark.parametrize("name", ["ж" * 31, "年" * 21, " " * 63, "\U0001f600" * 15])
def test_a_folder_name_is_never_longer_than_a_file_system_allows(tmp_path: Path, name: str) -> None:
    table = TableName(name, name)
    folder = partition_folder(UPath(tmp_path), table, table)
    Path(folder.path).mkdir(parents=True)
    assert Path(folder.path).is_dir()


@pytest.mark.parametrize("version", [1, 9, 10, 999_999_999])
def test_a_version_is_read_from_the_name_that_its_folder_has(version: int) -> None:
    folder = version_folder(UPath("/base/p"), version)
    assert folder.name == f"archive_version={version}"
    assert version_of(folder.name) == version_of(str(folder)) == version_of(f"{folder}/") == version


@pytest.mark.parametrize(
    "name", ["archive_version=0", "archive_version=01", "archive_version=-1", "archive_version=", "archive_version=1x", "version=1", "1", "",
             "archive_version=1/part-00000.parquet", "archive_version=1234567890", "_archive_version=1", "archive_version=\u0661"],
)  # fmt: skip
def test_a_folder_of_another_name_is_no_version(name: str) -> None:
    assert version_of(name) is None


def test_a_partition_whose_name_looks_like_a_version_is_none() -> None:
    assert version_of(place(TableName("a", "s"), TableName("a", "archive_version=1"))) is None


def test_data_files_sort_by_name_as_by_number() -> None:
    names = [data_file(number) for number in (0, 1, 2, 10, 15)]
    assert names[0] == "part-00000.parquet"
    assert names == sorted(names)


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """An upload that was interrupted within its third file."""
    folder = tmp_path / "archive_version=1"
    folder.mkdir()
    for name in (data_file(0), data_file(1), UPLOADING + data_file(2)):
        (folder / name).write_bytes(b"data")
    return folder


def test_a_half_archive_is_removed(half: Path) -> None:
    assert remove_half_archive(UPath(half)) is True
    assert not half.exists()


def test_an_upload_whose_manifest_was_interrupted_is_removed(half: Path) -> None:
    (half / (UPLOADING + MANIFEST)).write_bytes(b"{")
    assert remove_half_archive(UPath(half)) is True
    assert not half.exists()


def test_an_upload_of_nothing_yet_is_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert remove_half_archive(UPath(tmp_path / "empty")) is True


def test_what_is_gone_already_was_no_half_archive(tmp_path: Path) -> None:
    assert remove_half_archive(UPath(tmp_path / "nothing")) is False


def test_a_half_archive_in_an_object_store_is_removed(tmp_path: Path) -> None:
    folder = UPath(f"memory://{tmp_path}/archive_version=1")
    (folder / data_file(0)).write_bytes(b"data")
    assert remove_half_archive(folder) is True
    assert not (folder / data_file(0)).exists()


def test_a_whole_archive_is_never_removed(half: Path) -> None:
    (half / MANIFEST).write_bytes(b"{}")
    assert remove_half_archive(UPath(half)) is False
    assert (half / data_file(0)).read_bytes() == b"data"


@pytest.mark.parametrize(
    "strange",
    [
        "notes.txt",
        "manifest.json.bak",
        "part-00000.parquet.of-last-year",
        "part-000000.parquet",
        "part-1.parquet",
        "_uploading-notes.txt",
        "x.parquet",
    ],
)
def test_a_half_archive_with_a_strange_file_in_it_is_left_as_it_is(half: Path, strange: str) -> None:
    (half / strange).write_bytes(b"precious")
    before = {file.name for file in half.iterdir()}
    assert remove_half_archive(UPath(half)) is False
    assert {file.name for file in half.iterdir()} == before


def test_a_half_archive_with_a_folder_in_it_is_left_as_it_is(half: Path) -> None:
    (half / "older").mkdir()
    assert remove_half_archive(UPath(half)) is False
    assert (half / data_file(0)).exists()
