"""What a step may have to wait for, or what it does to others, looked up before it begins: nothing here locks or changes anything."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.names import TableName
from include.partitioning.plan_text import human_bytes
from include.postgres.queries import Row, row, rows
from include.postgres.sessions import old_transactions
from include.postgres.standbys import standbys

OLD = timedelta(minutes=1)
"""A transaction that is older than this is worth a line."""

MOST_SESSIONS = 5


def waits_ahead(connection: Connection[Any], oids: Sequence[int], who: str = "detaching and reindexing") -> list[str]:
    """Transactions and vacuums that CONCURRENTLY statements, exchanges and locks on these relations may wait for, a sentence each.

    :param who: what would wait.
    """
    return [*_blind(connection), *_old_transactions(connection, who), *_prepared(connection), *_vacuums(connection, oids)]


def standbys_ahead(connection: Connection[Any], cause: str) -> list[str]:
    """How far each standby is, and what becomes of its queries.

    :param cause: what takes the lock that they are cancelled by.
    """
    lines = [f"standby {standby.name} ({standby.state}) is {human_bytes(standby.bytes_behind)} behind" for standby in standbys(connection)]
    effect = f"queries of the table on a standby are cancelled by {cause} after max_standby_streaming_delay"
    return [*lines, effect] if lines else []


def replicas(connection: Connection[Any], parent: TableName, oid: int) -> list[str]:
    """Standbys, publications and slots, with what the lifecycle does to them."""
    return [*standbys_ahead(connection, "a detach and a drop"), *_publications(connection, parent, oid), *_slots(connection)]


def unmanaged_publications(connection: Connection[Any], oid: int) -> list[str]:
    """Publications whose subscribers need a table for each new partition; empty where no logical slot shows that there are any."""
    if not any(each["kind"] == "logical" and each["here"] for each in rows(connection, "slots")):
        return []
    return [each["name"] for each in rows(connection, "preflight_publications", oid=oid) if not each["via_root"]]


def lagging_slots(connection: Connection[Any], most_bytes: int) -> list[str]:
    """Slots that keep more WAL than `most_bytes`, or have lost some: whoever reads them does not have the newest rows."""
    return [
        _slot_text(each) for each in rows(connection, "slots") if each["bytes"] > most_bytes or each["wal_status"] in ("unreserved", "lost")
    ]


def _blind(connection: Connection[Any]) -> list[str]:
    """Without the right to see other sessions, their absence means nothing."""
    found = row(connection, "sees_statistics") or {}
    if found.get("yes"):
        return []
    return [
        "other roles' sessions, and standbys, cannot be seen, so whom a step waits for cannot be said beforehand; "
        f"GRANT pg_read_all_stats TO {found.get('role')}"
    ]


def _old_transactions(connection: Connection[Any], who: str) -> list[str]:
    found = old_transactions(connection, OLD)
    lines = [f"a transaction is open that {who} may wait for: {each}" for each in found[:MOST_SESSIONS]]
    more = len(found) - MOST_SESSIONS
    return [*lines, f"and {more} more such transactions"] if more > 0 else lines


def _prepared(connection: Connection[Any]) -> list[str]:
    return [
        f'the prepared transaction "{each["gid"]}" of {each["owner"]}, {each["age"]} old, keeps its locks until somebody ends it: '
        f"COMMIT PREPARED or ROLLBACK PREPARED"
        for each in rows(connection, "preflight_prepared")
    ]


def _vacuums(connection: Connection[Any], oids: Sequence[int]) -> list[str]:
    return [
        f'"{TableName(each["schema"], each["name"])}" is being vacuumed to prevent wraparound (pid {each["pid"]}, for {each["age"]}); that does not '
        "give way, so whatever takes a lock on it waits until it is done"
        for each in rows(connection, "preflight_vacuums", oids=list(oids))
    ]


def _publications(connection: Connection[Any], parent: TableName, oid: int) -> list[str]:
    lines = []
    for each in rows(connection, "preflight_publications", oid=oid):
        needs = "" if each["via_root"] else ", so subscribers need a table for each new one"
        lines.append(
            f'"{parent}" is published by "{each["name"]}": new partitions are published too{needs}; a detach takes a partition out of it, and '
            "neither detach nor drop happens at the subscribers"
        )
    return lines


def _slots(connection: Connection[Any]) -> list[str]:
    return [f"replication {_slot_text(each)}" for each in rows(connection, "slots")]


def _slot_text(slot: Row) -> str:
    active = "active" if slot["active"] else "not active"
    return f'slot "{slot["name"]}" ({slot["kind"]}, {active}) keeps {human_bytes(slot["bytes"])} of WAL (status: {slot["wal_status"] or "unknown"})'
