"""Faults of early minor releases of PostgreSQL in what this package does: a step that would meet one is refused."""

from collections.abc import Sequence

from include.partitioning.names import TableName

_INDEXES_MENDED = (140004,)
"""Release notes of 14.4: an index that is built or rebuilt CONCURRENTLY may lack rows that were updated meanwhile."""

_FOREIGN_KEYS_MENDED = (140014, 150009, 160005, 170001)
"""Release notes of 14.14, 15.9, 16.5 and 17.1: if the table referred to is partitioned, the detached table lacks the triggers of its key.

Only that direction: a detached table that refers to a partitioned one, not one to which others refer.
"""


def why_no_concurrent_index(server_version: int) -> str | None:
    """Why no index may be built or rebuilt CONCURRENTLY on this server; None if it may.

    :param server_version: as libpq has it, 140003 for 14.3.
    """
    mended = _mended_in(server_version, _INDEXES_MENDED)
    if mended is None:
        return None
    return (
        f"PostgreSQL {_shown(server_version)} can corrupt an index that is built or rebuilt CONCURRENTLY (mended in {_shown(mended)}); "
        "upgrade the server first, then rebuild what was built so"
    )


def why_no_detach(server_version: int, table: TableName, partitioned: Sequence[TableName]) -> str | None:
    """Why no partition may be detached from `table` on this server; None if it may.

    :param server_version: as libpq has it, 150008 for 15.8.
    :param partitioned: the partitioned tables to which `table` has foreign keys.
    """
    mended = _mended_in(server_version, _FOREIGN_KEYS_MENDED)
    if mended is None or not partitioned:
        return None
    names = ", ".join(f'"{name}"' for name in partitioned)
    return (
        f'"{table}" has a foreign key to the partitioned table {names}, and PostgreSQL {_shown(server_version)} no longer enforces such a key '
        f"on a partition that was detached (mended in {_shown(mended)}); upgrade the server first, or drop the foreign key"
    )


def _mended_in(server_version: int, releases: Sequence[int]) -> int | None:
    """The release of the same major version that mends it, if this one is older."""
    return next((each for each in releases if each // 10000 == server_version // 10000 and server_version < each), None)


def _shown(server_version: int) -> str:
    return f"{server_version // 10000}.{server_version % 10000}"
