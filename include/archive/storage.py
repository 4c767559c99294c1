"""Files in a place that may be a local folder or an object store, by way of fsspec paths (`upath.UPath` and its like).

A file appears whole or not at all: on a disk it is written under a temporary name, synced and renamed; in an object store
an upload that is not completed leaves no object. Errors of the store become ours: what may pass is
`StorageUnavailableError`, what will not is `ArchiveError`.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from include.archive.storage_path import StoragePath, is_local
from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError

UPLOADING = "_uploading-"
"""Before the name of a file on a disk that is not complete; readers of Parquet folders leave names with a leading underscore out."""

UPLOAD_PART = 32 << 20
"""Bytes of one part of an upload to an object store, which are held in memory: S3 takes 10,000 parts, so a file of 320 GB."""

_CHUNK = 1 << 20
_CLIENTS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "adlfs", "azure", "aiohttp", "requests", "urllib3")
"""Libraries of object stores, whose errors have no common base: no credentials, no such endpoint, throttled."""


P = TypeVar("P", bound=StoragePath)


class HashingWriter:
    """A binary file that counts and hashes what is written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Write, hash and count."""
        self._digest.update(data)
        self._file.write(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Bytes written."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back here."""

    def close(self) -> None:
        """Leave the file to whoever opened it."""
        self.closed = True

    @property
    def sha256(self) -> str:
        """Of all that was written, in hexadecimal."""
        return self._digest.hexdigest()


@contextmanager
def new_file(target: StoragePath) -> Iterator[HashingWriter]:
    """Write a file that appears under its name only when the block ends without an error; on a local disk it is then durable.

    :raises ArchiveError: a file of that name exists: an archive is never overwritten.
    """
    with translated(f'write "{target}"'):
        if target.exists():
            raise FileExistsError(str(target))
        with _local_file(target) if is_local(target) else _upload(target) as file:
            yield file


@contextmanager
def _local_file(target: StoragePath) -> Iterator[HashingWriter]:
    place = Path(target.path)
    temporary = place.with_name(UPLOADING + place.name)
    with temporary.open("wb") as file:
        yield HashingWriter(file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(place)
    flush_folders(target)


@contextmanager
def _upload(target: StoragePath) -> Iterator[HashingWriter]:
    """Leaving an fsspec file by an exception would complete the upload of what there is, so it is given up explicitly.

    So is one whose last request fails: its parts would lie in the bucket, unseen and paid for. S3 itself refuses a second object of
    the same name (`x`: If-None-Match).
    """
    mode = "xb" if target.protocol in ("s3", "s3a") else "wb"
    file = target.fs.open(target.path, mode, block_size=UPLOAD_PART)
    writer = HashingWriter(file)
    try:
        yield writer
        _complete(file, target, writer)
    except BaseException:
        with suppress(Exception):  # the storage may be what failed; its own rules for unfinished uploads take care of the rest
            file.discard()
        with suppress(AttributeError):  # not every file lets itself be marked; those do that would otherwise upload when let go
            file.closed = True
        raise


def _complete(file: IO[bytes], target: StoragePath, written: HashingWriter) -> None:
    """When the answer to the last request is lost, the client asks again, and is told that the object exists: it may be ours."""
    try:
        file.close()
    except OSError:
        with suppress(ArchiveError, StorageUnavailableError):
            if digest_of(target) == (written.sha256, written.size):
                return
        raise


def read_bytes(path: StoragePath) -> bytes:
    """The whole file; for manifests.

    :raises ArchiveMismatchError: there is no such file.
    """
    with _opened_afresh(path) as file:
        data: bytes = file.read()
        return data


def digest_of(path: StoragePath) -> tuple[str, int]:
    """SHA-256 and size of what lies in the store, read from beginning to end."""
    digest, size = hashlib.sha256(), 0
    with _opened_afresh(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


@contextmanager
def _opened_afresh(path: StoragePath) -> Iterator[IO[bytes]]:
    """As it is now: a listing that this process has seen, with sizes and ETags, may be older than the object."""
    with translated(f'read "{path}"'):
        path.fs.invalidate_cache()
        with path.open("rb") as file:
            yield file


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an error of the storage into one of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArchiveMismatchError(f"{what}: there is no such object or bucket") from error
    except FileExistsError as error:
        raise ArchiveError(f"{what}: it exists already; an archive is never overwritten") from error
    except NotADirectoryError as error:
        raise ArchiveError(f"{what}: a file lies where a folder should be ({error}); remove it, or give the policy another path") from error
    except PermissionError as error:
        raise ArchiveError(
            f"{what}: the storage denies access ({error}); give the connection's identity the right to read and write there"
        ) from error
    except OSError as error:
        raise StorageUnavailableError(f"{what}: {error or type(error).__name__}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _CLIENTS:
            raise
        raise StorageUnavailableError(f"{what}: {type(error).__name__}: {error}; check the storage connection") from error


def make_folder(folder: StoragePath) -> None:
    """Make a new folder and those above it, durably; an object store has none, and must not be made to create a bucket.

    :raises ArchiveError: it exists.
    """
    if is_local(folder):
        with translated(f'make "{folder}"'):
            place = Path(folder.path)
            new = [each for each in (place, *place.parents) if not each.exists()]
            folder.mkdir(parents=True, exist_ok=False)
            _flush(each.parent for each in new)


def listed(folder: P) -> list[P]:
    """What lies in a folder now, by name; nothing if there is no such folder."""
    with translated(f'list "{folder}"'):
        folder.fs.invalidate_cache()  # another worker may have written since this process looked last
        if not folder.exists():
            return []
        with suppress(FileNotFoundError, NotADirectoryError):  # removed just now, or somebody's file among our folders
            return sorted(folder.iterdir(), key=lambda each: each.name)
        return []


def flush_folders(target: StoragePath) -> None:
    """A new name is durable only once its folder was synced; others may just have made those of the partition, table and path."""
    _flush(Path(target.path).parents[:4])


def _flush(folders: Iterable[Path]) -> None:
    for place in folders:
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
