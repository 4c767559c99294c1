"""Standbys that are connected, and how far they are behind."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from include.postgres.queries import rows


@dataclass(frozen=True, slots=True)
class Standby:
    """A standby that is connected now.

    :param name: its `application_name`, or its address.
    :param state: such as `streaming, async`.
    :param bytes_behind: of WAL that it has not replayed yet; 0 as long as it has not said.
    """

    name: str
    state: str
    bytes_behind: int


def standbys(connection: Connection[Any]) -> list[Standby]:
    """All of them, the furthest behind first; none where the role may not see them (it takes `pg_read_all_stats`)."""
    return [
        Standby(each["application"] or each["address"] or "?", f"{each['state']}, {each['sync_state']}", each["bytes"])
        for each in rows(connection, "standbys")
    ]
