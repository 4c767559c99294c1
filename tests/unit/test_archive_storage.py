"""Files that appear whole or not at all, and the storage's errors as ours. Real files in a folder, and fsspec's memory."""

import hashlib
from pathlib import Path

import pytest
from upath import UPath

from include.archive.storage import UPLOADING, digest_of, new_file, read_bytes, translated
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError


@pytest.fixture(params=["plain", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """An empty folder, in each kind of path."""
    url = {"plain": str(tmp_path), "file": f"file://{tmp_path}", "memory": f"memory://{tmp_path}"}[request.param]
    place = UPath(url)
    place.mkdir(parents=True, exist_ok=True)
    return place


def test_a_written_file_is_there_and_its_hash_and_size_are_known(folder: UPath) -> None:
    with new_file(folder / "a") as file:
        assert file.write(b"hello ") == 6
        file.write(memoryview(b"world"))
    assert read_bytes(folder / "a") == b"hello world"
    assert (file.sha256, file.size) == (hashlib.sha256(b"hello world").hexdigest(), 11)
    assert digest_of(folder / "a") == (file.sha256, 11)
    assert [each.name for each in folder.iterdir()] == ["a"]


def test_a_file_has_its_name_only_when_it_is_complete(folder: UPath) -> None:
    with new_file(folder / "a") as file:
        file.write(b"half")
        assert not (folder / "a").exists()
    assert (folder / "a").exists()


def test_a_writer_that_fails_leaves_no_file_of_that_name(folder: UPath) -> None:
    def fail() -> None:
        with new_file(folder / "a") as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not (folder / "a").exists()
    with new_file(folder / "a") as file:
        file.write(b"whole")
    assert read_bytes(folder / "a") == b"whole"
    assert [each.name for each in folder.iterdir()] == ["a"]


def test_an_existing_file_is_never_overwritten(folder: UPath) -> None:
    (folder / "a").write_bytes(b"precious")
    with pytest.raises(ArchiveError, match=r"never overwritten"), new_file(folder / "a") as file:
        file.write(b"new")
    assert read_bytes(folder / "a") == b"precious"


def test_the_leftover_of_an_interrupted_writer_is_no_obstacle(folder: UPath) -> None:
    (folder / ("a" + UPLOADING)).write_bytes(b"longer than what follows")
    with new_file(folder / "a") as file:
        file.write(b"new")
    assert read_bytes(folder / "a") == b"new"


def test_a_missing_file_is_a_mismatch_and_no_reason_to_try_again(folder: UPath) -> None:
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        read_bytes(folder / "nothing")
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        digest_of(folder / "nothing")


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (FileNotFoundError("x"), ArchiveMismatchError),
        (PermissionError("x"), ArchiveError),
        (ConnectionResetError("x"), StorageUnavailableError),
        (TimeoutError(), StorageUnavailableError),
    ],
)
def test_the_errors_of_a_storage_become_ours_and_name_the_place(error: OSError, ours: type[Exception]) -> None:
    with pytest.raises(ours, match=r'read "s3://bucket/a"') as caught, translated('read "s3://bucket/a"'):
        raise error
    assert type(caught.value) is ours


def test_a_large_file_is_hashed_beyond_its_first_chunk(folder: UPath) -> None:
    data = b"x" * (3 << 20) + b"y"
    (folder / "a").write_bytes(data)
    assert digest_of(folder / "a") == (hashlib.sha256(data).hexdigest(), len(data))
