"""What is to be restored, as values."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Protocol

from include.partitioning.blueprint import Blueprint
from include.partitioning.bounds import Bounds
from include.partitioning.copy_text import RowDigest
from include.partitioning.names import TableName


class Content(Protocol):
    """The rows of an archive."""

    def text(self, only: Collection[str]) -> Iterable[memoryview]:
        """As COPY text, the columns with these names."""

    def digest(self, only: Collection[str]) -> RowDigest:
        """Of the same text, whatever the order."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """What is to be restored.

    :param origin: the partition that was archived.
    :param name: the table to be built.
    """

    archive_id: str
    origin: TableName
    bounds: Bounds
    rows: int
    blueprint: Blueprint
    content: Content
    name: TableName
    mode: str

    @property
    def detail(self) -> str:
        """For the ledger."""
        return f'{self.mode} of archive {self.archive_id} of "{self.origin}"'
