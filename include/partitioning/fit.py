"""How an archive's columns meet those of a table that may have changed since."""

from collections.abc import Iterable
from dataclasses import dataclass

from include.partitioning.column import Column


@dataclass(frozen=True, slots=True)
class Fit:
    """How an archive's columns meet those of the table that takes them.

    :param loaded: archived columns that rows are loaded into; generated ones compute their own values.
    :param compared: archived columns that exist with the same type: their text must be what was archived.
    :param remarks: what a person should know, one sentence each.
    """

    loaded: tuple[Column, ...]
    compared: tuple[Column, ...]
    remarks: tuple[str, ...]


def fit_columns(archived: Iterable[Column], present: Iterable[Column]) -> Fit:
    """Which archived columns go where in a table that may have changed since."""
    today = {column.name: column for column in present}
    columns = tuple(archived)
    kept = [column for column in columns if column.name in today]
    changed = [column for column in kept if today[column.name].type != column.type]
    lost = [column.name for column in columns if column.name not in today]
    gained = [name for name in today if name not in {column.name for column in columns}]
    remarks = [f'column "{name}" is in the archive but no longer in the table: its values are not restored' for name in lost]
    remarks += [f'column "{name}" was added since: it has its default' for name in gained]
    remarks += [
        f'column "{column.name}" was {column.type} and is {today[column.name].type} now: its values are converted by the server, not compared'
        for column in changed
    ]
    return Fit(
        tuple(column for column in kept if not today[column.name].generated),
        tuple(column for column in kept if column not in changed),
        tuple(remarks),
    )
