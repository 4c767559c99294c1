"""Where archives lie, also for names that mean something to a file system, and what is removed of an interrupted upload."""

from pathlib import Path

import pytest
from upath import UPath

from include.archive.layout import DATA_FILE, partition_folder, remove_half_archive
from include.archive.manifest import MANIFEST
from include.archive.storage import UPLOADING
from include.partitioning.names import TableName

HOSTILE = ["..", ".", "a/b", "a\\b", "~", "c:", "*", "a b", "%2e", "\n", "größe", "\U0001f600", "a.b", "-rf", "?", "#", "é", "e\u0301"]


def place(parent: TableName, partition: TableName) -> str:
    """The folder below the root."""
    folder = partition_folder(UPath("/base"), parent, partition)
    return str(folder.path).removeprefix("/base/")


def test_ordinary_names_are_folders_of_the_same_name() -> None:
    assert place(TableName("core", "sessions"), TableName("core", "sessions_p202510")) == "core.sessions/sessions_p202510"


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
        (TableName("a", "~002e"), TableName("a", ".")),
        (TableName("a", "\U0001f600"), TableName("a", "\u1f600")),
        (TableName("a", "\U00010000"), TableName("a", "\u10000")),
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


@pytest.fixture
def half(tmp_path: Path) -> Path:
    """An upload that was interrupted after the data and before the manifest."""
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / DATA_FILE).write_bytes(b"data")
    (folder / (MANIFEST + UPLOADING)).write_bytes(b"{")
    return folder


def test_a_half_archive_is_removed(half: Path) -> None:
    assert remove_half_archive(UPath(half)) is True
    assert not half.exists()


def test_an_upload_of_nothing_yet_is_removed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert remove_half_archive(UPath(tmp_path / "empty")) is True


def test_what_is_gone_already_was_no_half_archive(tmp_path: Path) -> None:
    assert remove_half_archive(UPath(tmp_path / "nothing")) is False


def test_a_whole_archive_is_never_removed(half: Path) -> None:
    (half / MANIFEST).write_bytes(b"{}")
    assert remove_half_archive(UPath(half)) is False
    assert (half / DATA_FILE).read_bytes() == b"data"


@pytest.mark.parametrize("strange", ["notes.txt", "manifest.json.bak", "part-00000.parquet.of-last-year", "part-00001.parquet"])
def test_a_half_archive_with_a_strange_file_in_it_is_left_as_it_is(half: Path, strange: str) -> None:
    (half / strange).write_bytes(b"precious")
    assert remove_half_archive(UPath(half)) is False
    assert {file.name for file in half.iterdir()} == {DATA_FILE, MANIFEST + UPLOADING, strange}


def test_a_half_archive_with_a_folder_in_it_is_left_as_it_is(half: Path) -> None:
    (half / "older").mkdir()
    assert remove_half_archive(UPath(half)) is False
    assert (half / DATA_FILE).exists()
