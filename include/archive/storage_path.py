"""What we need of a path in a storage; `airflow.sdk.ObjectStoragePath` and `upath.UPath` have it."""

from collections.abc import Iterator
from typing import IO, Protocol, Self

from fsspec import AbstractFileSystem


class StoragePath(Protocol):
    """A file or folder, wherever it is."""

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

    @property
    def fs(self) -> AbstractFileSystem:
        """The storage it is in."""

    def __truediv__(self, key: str) -> Self: ...
    def open(self, mode: str) -> IO[bytes]:
        """A binary file."""

    def exists(self) -> bool:
        """Whether there is a file or folder."""

    def iterdir(self) -> Iterator[Self]:
        """What lies in the folder."""

    def mkdir(self, *, parents: bool = ..., exist_ok: bool = ...) -> None:
        """Make the folder, where the storage has such."""

    def unlink(self) -> None:
        """Remove the file."""

    def rmdir(self) -> None:
        """Remove the empty folder."""


def is_local(path: StoragePath) -> bool:
    """Whether it is a file of this machine's file system."""
    return path.protocol in ("file", "local", "")
