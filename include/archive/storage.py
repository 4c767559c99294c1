"""Files in a place that may be a local folder or an object store, by way of fsspec paths (`upath.UPath` and its like).

A file is written under a temporary name and takes its own only when it is complete. Errors of the store become ours: what
may pass is `StorageUnavailableError`, what will not is `ArchiveError`.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol, Self

from include.partitioning.errors import ArchiveError, ArchiveMismatchError, StorageUnavailableError

UPLOADING = ".uploading"
_CHUNK = 1 << 20
_CLIENTS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "adlfs", "azure", "aiohttp", "requests", "urllib3")
"""Libraries of object stores, whose errors have no common base: no credentials, no such endpoint, throttled."""


class StoragePath(Protocol):
    """What we need of a path; `airflow.sdk.ObjectStoragePath` and `upath.UPath` have it."""

    @property
    def name(self) -> str:
        """The last part."""

    @property
    def protocol(self) -> str:
        """Such as `file` or `s3`."""

    @property
    def path(self) -> str:
        """Without the protocol."""

    @property
    def parent(self) -> Self:
        """The folder it lies in."""

    def __truediv__(self, key: str) -> Self: ...
    def open(self, mode: str) -> IO[bytes]:
        """A binary file."""

    def exists(self) -> bool:
        """Whether there is a file or folder."""

    def iterdir(self) -> Iterator[Self]:
        """What lies in the folder."""

    def mkdir(self, *, parents: bool = ..., exist_ok: bool = ...) -> None:
        """Make the folder, where the storage has such."""

    def rename(self, target: Self) -> object:
        """Give it another name in the same storage."""

    def unlink(self) -> None:
        """Remove the file."""

    def rmdir(self) -> None:
        """Remove the empty folder."""


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
            raise ArchiveError(f'"{target}" exists already; an archive is never overwritten')
        temporary = target.parent / (target.name + UPLOADING)
        with temporary.open("wb") as file:
            writer = HashingWriter(file)
            yield writer
            _flush_to_disk(target, file)
        temporary.rename(target)
        flush_folders(target)


def read_bytes(path: StoragePath) -> bytes:
    """The whole file; for manifests.

    :raises ArchiveMismatchError: there is no such file.
    """
    with translated(f'read "{path}"'), path.open("rb") as file:
        data: bytes = file.read()
        return data


def digest_of(path: StoragePath) -> tuple[str, int]:
    """SHA-256 and size of what lies in the store, read from beginning to end."""
    digest, size = hashlib.sha256(), 0
    with translated(f'read "{path}"'), path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn an error of the storage into one of ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise ArchiveMismatchError(f"{what}: there is no such object or bucket") from error
    except FileExistsError as error:
        raise ArchiveError(f"{what}: it exists already; an archive is never overwritten") from error
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


def _is_local(path: StoragePath) -> bool:
    return path.protocol in ("file", "local", "")


def _flush_to_disk(target: StoragePath, file: IO[bytes]) -> None:
    if _is_local(target):
        file.flush()
        os.fsync(file.fileno())


def flush_folders(target: StoragePath) -> None:
    """A new name is durable only once its folder was synced; the archive's, the partition's and the table's may all be new."""
    if not _is_local(target):
        return
    for place in Path(target.path).parents[:3]:
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
