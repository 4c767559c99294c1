"""Naming who holds us up: in every message about a wait, in the same words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from psycopg import Connection

from include.partitioning.span import format_duration
from include.postgres.queries import Row, rows

MOST_NAMED = 5
"""More sessions than that are counted, not named."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session, or a prepared transaction, which has none (`pid` is None then, and `gid` its name).

    :param kind: as `pg_stat_activity.backend_type` has it, or "prepared transaction".
    :param state: None, like the ages and the query, where our role may not see it.
    :param holds: what it has that we want, in words.
    """

    pid: int | None
    gid: str | None
    kind: str
    user: str | None
    application: str | None
    state: str | None
    transaction_age: timedelta | None
    query_age: timedelta | None
    query: str | None
    holds: str

    def __str__(self) -> str:
        """Who it is, since when, what it holds, and what it runs."""
        if self.pid is None:
            return (
                f'prepared transaction "{self.gid}" ({self.user}, prepared {_age(self.transaction_age)} ago, {self.holds}; it has no session: '
                "only COMMIT PREPARED or ROLLBACK PREPARED ends it)"
            )
        return f"pid {self.pid} ({', '.join([*self._who(), *self._since(), self.holds])}{self._query()})"

    def _who(self) -> list[str]:
        if self.kind != "client backend":
            return [each for each in (self.kind, self.user, self.application) if each]
        return [self.user or "no user", self.application or "no application name"]

    def _since(self) -> list[str]:
        if self.state is None and self.query is None:
            return ["what it does is shown to members of pg_read_all_stats only"]
        said = [self.state] if self.state else []
        said.append(f"transaction {_age(self.transaction_age)} old" if self.transaction_age is not None else "in no transaction")
        if self.query_age is not None:
            said.append(f"query begun {_age(self.query_age)} ago")
        return said

    def _query(self) -> str:
        return f", query: {self.query}" if self.query else ""


def describe(sessions: Sequence[Session]) -> str:
    """The sessions in a few words each, eldest first."""
    if not sessions:
        return "somebody who has gone meanwhile"
    more = [f"and {len(sessions) - MOST_NAMED} more"] if len(sessions) > MOST_NAMED else []
    return "; ".join([*(str(each) for each in sessions[:MOST_NAMED]), *more])


def waiting_for(what: str, sessions: Sequence[Session], waited: float, limit: timedelta) -> str:
    """One line about a wait that goes on.

    :param what: what is being done, to which object.
    :param waited: seconds so far.
    :param limit: after which we give up.
    """
    left = max(0.0, limit.total_seconds() - waited)
    return f"{what}: waiting for {describe(sessions)}; {waited:.0f} s so far, {left:.0f} s left"


def gave_way(what: str, sessions: Sequence[Session], lock_timeout: timedelta, waited: float, attempts_left: int) -> str:
    """One line about an attempt for a lock that is over, when another one follows."""
    by = f"gave way after {format_duration(lock_timeout)} to {describe(sessions)}"
    return f"{what}: {by}; {waited:.0f} s so far, {attempts_left} attempts left"


def no_lock(what: str, sessions: Sequence[Session], lock_timeout: timedelta, attempts: int) -> str:
    """The end of the last attempt."""
    limit = f"no lock within {format_duration(lock_timeout)} in {attempts} attempts"
    return f"{what}: {limit}; blocked by {describe(sessions)}; end that session, or run again when it is over"


def waited_too_long(what: str, sessions: Sequence[Session], limit: timedelta) -> str:
    """The end of a wait that used up its limit."""
    return f"{what}: waited {format_duration(limit)} for {describe(sessions)}; end that session, or raise wait_timeout"


def lock_holders(connection: Connection[Any], oids: Sequence[int]) -> list[Session]:
    """Who holds locks on these relations."""
    return _sessions(connection, rows(connection, "lock_holders", oids=list(oids)))


def blockers(connection: Connection[Any], pid: int) -> list[Session]:
    """Who holds what the backend with this pid is waiting for; nobody, if it is not waiting."""
    return _sessions(connection, rows(connection, "blockers", pid=pid))


def old_transactions(connection: Connection[Any], older_than: timedelta) -> list[Session]:
    """Sessions of this database whose transaction is older than that."""
    return _sessions(connection, rows(connection, "preflight_sessions", older_than=older_than))


def older_users(connection: Connection[Any], oid: int) -> dict[str, Row]:
    """Who has a snapshot, or has used the table with this OID, each under a mark that stays the same while that lasts."""
    return {each["mark"]: each for each in rows(connection, "older_users", oid=oid)}


def still_there(connection: Connection[Any], oid: int, marks: Collection[str]) -> list[Session] | None:
    """Those of the older users that have not ended; None if there is none."""
    left = [found for mark, found in older_users(connection, oid).items() if mark in marks] if marks else []
    return _sessions(connection, left) if left else None


def advisory_lock_holders(connection: Connection[Any], key: str) -> list[Session]:
    """Who has one of our advisory locks."""
    return _sessions(connection, rows(connection, "advisory_lock_holders", oid=key))


def snapshots(connection: Connection[Any]) -> dict[str, Row]:
    """Who holds a snapshot of this database now, by a name that only that transaction ever has."""
    return {each["transaction"]: each for each in rows(connection, "older_snapshots")}


def snapshot_holders(connection: Connection[Any], held: Sequence[Row]) -> list[Session]:
    """The sessions of these snapshots."""
    return _sessions(connection, held)


def _sessions(connection: Connection[Any], held: Sequence[Row]) -> list[Session]:
    """Those of the holders that are still there."""
    holds = {(each["pid"], each["prepared"]): each["holds"] for each in held}
    pids, prepared = [pid for pid, _ in holds if pid], [name for _, name in holds if name]
    if not holds:
        return []
    found = rows(connection, "sessions", pids=pids, prepared=prepared)
    return [_session(each, holds.get((each["pid"], each["prepared"]), "holds it up")) for each in found]


def _session(found: Row, holds: str) -> Session:
    return Session(holds=holds, **{name: found[name] for name in Session.__dataclass_fields__ if name != "holds"})


def _age(age: timedelta | None) -> str:
    return "?" if age is None else str(age)
