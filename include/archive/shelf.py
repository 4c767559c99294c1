"""What archives lie in the storage already: their manifests, and whose they are."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from include.archive.layout import table_folder, version_of
from include.archive.manifest import MANIFEST, Manifest
from include.archive.storage import listed, read_bytes
from include.archive.storage_path import StoragePath
from include.partitioning.errors import ArchiveError, ArchiveMismatchError
from include.partitioning.names import TableName
from include.partitioning.partition import Cluster

P = TypeVar("P", bound=StoragePath)


@dataclass(frozen=True, slots=True)
class Stored(Generic[P]):
    """A finished archive as it lies in the storage; nothing but its manifest has been looked at.

    :param text: of the manifest, byte for byte.
    """

    folder: P
    manifest: Manifest
    text: bytes

    @property
    def sha256(self) -> str:
        """Of the manifest, in hexadecimal."""
        return hashlib.sha256(self.text).hexdigest()


def versions_in(folder: StoragePath) -> list[int]:
    """Numbers of the versions that a partition's folder has, finished or not."""
    return sorted(version for each in listed(folder) if (version := version_of(each.name)) is not None)


def archives_of_partition(folder: P) -> Iterator[Stored[P]]:
    """Finished archives in a partition's folder, the highest version first. Folders without a manifest are left out.

    :raises ArchiveMismatchError: a manifest is not readable.
    """
    places = [(version, place) for place in listed(folder) if (version := version_of(place.name)) is not None]
    for _, place in sorted(places, key=lambda each: each[0], reverse=True):
        if MANIFEST in [each.name for each in listed(place)]:
            yield read_stored(place)


def archives_of_table(root: P, parent: TableName) -> Iterator[Stored[P]]:
    """Finished archives of all partitions of a table, partition by partition."""
    for folder in listed(table_folder(root, parent)):
        yield from archives_of_partition(folder)


def read_stored(folder: P) -> Stored[P]:
    """The archive in a folder.

    :raises ArchiveMismatchError: its manifest is missing or not readable.
    """
    place = folder / MANIFEST
    text = read_bytes(place)
    return Stored(folder, Manifest.from_json(text, str(place)), text)


def refuse_strangers(root: StoragePath, parent: TableName, cluster: Cluster, former: tuple[str, ...]) -> None:
    """Two databases must not archive tables of one name below one path: their months would be read as one.

    One manifest a partition is read until one is found that is ours; a folder that we have written to before costs one read.

    :param former: `<system identifier>/<database OID>` of databases that this one was before (pg_upgrade, a move by dump and restore).
    :raises ArchiveError: a manifest there is another database's.
    """
    for folder in listed(table_folder(root, parent)):
        for stored in _readable(folder):
            database = stored.manifest.source.cluster.identity
            if database == cluster.identity:
                return
            if database not in former:
                raise ArchiveError(
                    f'"{stored.folder}" is an archive of another database ({database}; this one is {cluster.identity}); '
                    f"give the policy a path of its own, or, if this database was that one once, add it: "
                    f'archive.former_databases: ["{database}"]'
                )
            break


def _readable(folder: P) -> Iterator[Stored[P]]:
    """A manifest that cannot be read says nothing of whose it is; it matters to its own partition, not to the others."""
    with suppress(ArchiveMismatchError):
        yield from archives_of_partition(folder)


def read_manifest(folder: StoragePath, sha256: str) -> Manifest:
    """The stored manifest, if it is the one whose SHA-256 the ledger has.

    :raises ArchiveMismatchError: it is missing, another one, or not readable.
    """
    place = folder / MANIFEST
    text = read_bytes(place)
    if hashlib.sha256(text).hexdigest() != sha256:
        raise ArchiveMismatchError(f'"{place}" is not the manifest that was written; restore the object, or archive the partition again')
    return Manifest.from_json(text, str(place))
