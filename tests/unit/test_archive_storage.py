"""Files that appear whole or not at all, and the storage's errors as ours: real folders, fsspec's memory, and a store of objects."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem
from fsspec.spec import AbstractBufferedFile
from upath import UPath

from include.archive.storage import (
    UPLOADING,
    HashingWriter,
    digest_of,
    listed,
    make_folder,
    new_file,
    read_bytes,
    translated,
)
from include.archive.storage_path import is_local
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError


class _Upload(AbstractBufferedFile):  # type: ignore[misc] # fsspec has no types
    """An upload in parts, as to S3: the object is there when the last part has come, and not before."""

    def _initiate_upload(self) -> None:
        self.parts: list[bytes] = []

    def _upload_chunk(self, final: bool = False) -> bool:
        self.parts.append(self.buffer.getvalue())
        if final:
            self.fs.store[self.path] = MemoryFile(self.fs, self.path, b"".join(self.parts))
        return True


class ObjectStore(MemoryFileSystem):  # type: ignore[misc] # fsspec has no types
    """Objects in memory, uploaded in parts."""

    protocol = "objects"
    store: dict[str, Any] = {}  # noqa: RUF012 - fsspec's own is shared by all as well
    pseudo_dirs = [""]  # noqa: RUF012 - as above

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(str(path).replace("objects://", "memory://", 1)))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: object) -> object:
        if mode == "rb":
            return super()._open(path, mode, block_size, **options)
        return _Upload(self, path, mode, block_size)


fsspec.register_implementation("objects", ObjectStore, clobber=True)
pytestmark = pytest.mark.filterwarnings("ignore:UPath 'objects' filesystem not explicitly implemented")
STORES = ["plain", "file", "memory", "objects"]


def place_in(store: str, tmp_path: Path) -> UPath:
    """An empty folder in that kind of store."""
    url = {"plain": str(tmp_path), "file": f"file://{tmp_path}"}.get(store, f"{store}://{tmp_path}")
    place = UPath(url)
    place.mkdir(parents=True, exist_ok=True)
    return place


@pytest.fixture(params=STORES)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """An empty folder, in each kind of store."""
    return place_in(request.param, tmp_path)


@pytest.fixture(params=["plain", "file", "objects"])
def safe_folder(request: pytest.FixtureRequest, tmp_path: Path) -> UPath:
    """An empty folder, in each kind of store that keeps a file out of sight until it is complete; fsspec's memory does not."""
    return place_in(request.param, tmp_path)


def test_a_written_file_is_there_and_its_hash_and_size_are_known(folder: UPath) -> None:
    with new_file(folder / "a") as file:
        assert file.write(b"hello ") == 6
        file.write(memoryview(b"world"))
        assert file.tell() == 11
    assert read_bytes(folder / "a") == b"hello world"
    assert (file.sha256, file.size) == (hashlib.sha256(b"hello world").hexdigest(), 11)
    assert digest_of(folder / "a") == (file.sha256, 11)
    assert [each.name for each in folder.iterdir()] == ["a"]


def test_a_file_of_nothing_is_a_file(folder: UPath) -> None:
    with new_file(folder / "a"):
        pass
    assert digest_of(folder / "a") == (hashlib.sha256(b"").hexdigest(), 0)


def test_a_file_has_its_name_only_when_it_is_complete(safe_folder: UPath) -> None:
    with new_file(safe_folder / "a") as file:
        file.write(b"half")
        assert not (safe_folder / "a").exists()
    assert (safe_folder / "a").exists()


def fail_within(target: UPath, *data: bytes) -> None:
    """Begin a file and break off."""
    with new_file(target) as file:
        for each in data:
            file.write(each)
        raise ZeroDivisionError


def test_a_writer_that_fails_leaves_no_file_of_that_name(safe_folder: UPath) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_within(safe_folder / "a", b"half")
    assert not (safe_folder / "a").exists()
    with new_file(safe_folder / "a") as file:
        file.write(b"whole")
    assert read_bytes(safe_folder / "a") == b"whole"
    assert [each.name for each in safe_folder.iterdir()] == ["a"]


def test_a_writer_that_fails_after_several_parts_leaves_no_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.storage.UPLOAD_PART", 1 << 10)
    folder = place_in("objects", tmp_path)
    with pytest.raises(ZeroDivisionError):
        fail_within(folder / "a", b"x" * 3000, b"y" * 3000)
    assert not (folder / "a").exists()


@pytest.mark.parametrize("store", STORES)
def test_a_writer_that_fails_says_why_whatever_the_store(store: str, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        fail_within(place_in(store, tmp_path) / "a", b"half")


def test_a_large_file_goes_up_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.archive.storage.UPLOAD_PART", 1 << 10)
    folder = place_in("objects", tmp_path)
    data = bytes(range(256)) * 20
    with new_file(folder / "a") as file:
        for first in range(0, len(data), 100):
            file.write(data[first : first + 100])
    assert read_bytes(folder / "a") == data


def test_an_existing_file_is_never_overwritten(folder: UPath) -> None:
    (folder / "a").write_bytes(b"precious")
    with pytest.raises(ArchiveError, match=r"never overwritten"), new_file(folder / "a") as file:
        file.write(b"new")
    assert read_bytes(folder / "a") == b"precious"


def test_the_leftover_of_an_interrupted_writer_is_no_obstacle(folder: UPath) -> None:
    (folder / (UPLOADING + "a")).write_bytes(b"longer than what follows")
    with new_file(folder / "a") as file:
        file.write(b"new")
    assert read_bytes(folder / "a") == b"new"


def test_what_is_not_complete_has_a_name_that_readers_of_parquet_leave_out(tmp_path: Path) -> None:
    with new_file(UPath(tmp_path) / "part-00000.parquet"):
        (only,) = tmp_path.iterdir()
    assert only.name == "_uploading-part-00000.parquet"


def test_a_missing_file_is_a_mismatch_and_no_reason_to_try_again(folder: UPath) -> None:
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        read_bytes(folder / "nothing")
    with pytest.raises(ArchiveMismatchError, match=r"no such object"):
        digest_of(folder / "nothing")


class ClientError(Exception):
    """What botocore raises; told by its module."""


ClientError.__module__ = "botocore.exceptions"


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (FileNotFoundError("x"), ArchiveMismatchError),
        (FileExistsError("x"), ArchiveError),
        (PermissionError("x"), ArchiveError),
        (ConnectionResetError("x"), StorageUnavailableError),
        (TimeoutError(), StorageUnavailableError),
        (ClientError("no credentials"), StorageUnavailableError),
    ],
)
def test_the_errors_of_a_storage_become_ours_and_name_the_place(error: Exception, ours: type[Exception]) -> None:
    with pytest.raises(ours, match=r'read "s3://bucket/a"') as caught, translated('read "s3://bucket/a"'):
        raise error
    assert type(caught.value) is ours
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [ZeroDivisionError(), ArchiveMismatchError("ours already"), KeyboardInterrupt()])
def test_an_error_that_is_none_of_the_storages_stays_what_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, translated("read"):
        raise error
    assert caught.value is error


def test_a_large_file_is_hashed_beyond_its_first_chunk(folder: UPath) -> None:
    data = b"x" * (3 << 20) + b"y"
    (folder / "a").write_bytes(data)
    assert digest_of(folder / "a") == (hashlib.sha256(data).hexdigest(), len(data))


def test_a_folder_is_listed_by_name_and_one_that_is_not_there_is_empty(folder: UPath) -> None:
    for name in ("b", "a", "c"):
        (folder / name).write_bytes(b"")
    assert [each.name for each in listed(folder)] == ["a", "b", "c"]
    assert listed(folder / "nothing") == []


@pytest.mark.parametrize("store", ["plain", "file"])
def test_a_folder_on_a_disk_is_made_once(store: str, tmp_path: Path) -> None:
    folder = place_in(store, tmp_path) / "x" / "y"
    make_folder(folder)
    assert folder.is_dir()
    with pytest.raises(ArchiveError, match=r"never overwritten"):
        make_folder(folder)


def test_an_object_store_needs_no_folders(tmp_path: Path) -> None:
    folder = UPath(f"objects://{tmp_path}-bucket/x")
    make_folder(folder)
    assert not folder.exists()


def test_a_disk_is_told_from_an_object_store(tmp_path: Path) -> None:
    assert [is_local(place_in(store, tmp_path)) for store in STORES] == [True, True, False, False]


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder in which nothing can be made."""
    tmp_path.chmod(0o500)
    yield tmp_path
    tmp_path.chmod(0o700)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_no_reason_to_try_again(read_only: Path) -> None:
    with pytest.raises(ArchiveError, match=r"denies access"), new_file(UPath(read_only) / "a"):
        pass


def test_a_hashing_writer_leaves_the_file_to_whoever_opened_it(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        writer = HashingWriter(file)
        writer.write(b"x")
        writer.flush()
        writer.close()
        assert writer.closed
        assert not file.closed
