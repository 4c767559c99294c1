"""What the ledger says against destroying: holds, and what a person must confirm first."""

from datetime import datetime

from include.partitioning.bounds import BEGINNING, END, Bounds, KeyType, parse_bounds
from include.partitioning.confirmation import Home
from include.partitioning.hold import Hold
from include.partitioning.partition import Cluster
from include.partitioning.span import CalendarSpan
from include.postgres.ledger_schema import LedgerSchema
from include.postgres.queries import Row


class LedgerGuardrails(LedgerSchema):
    """Holds and confirmations of one table."""

    def holds(self) -> tuple[Hold, ...]:
        """What is held now."""
        found = self._rows_if_installed("holds", since=3, **self._names())
        return tuple(Hold(each["number"], bounds_of_texts(each), each["reason"], each["held_until"], each["held_by"]) for each in found)

    def set_hold(self, bounds: Bounds, held_until: datetime | None, reason: str, by: str | None = None) -> None:
        """Keep a range of the table from expiring. The same range for the same reason is one hold, with the newest date.

        :param held_until: exclusive; None: until it is lifted.
        :param by: who wants it; None: the database's user.
        """
        held = {"lower": _literal(bounds.lower), "upper": _literal(bounds.upper)}
        self._write("set_hold", **self._names(), **held, held_until=held_until, reason=reason, held_by=by)

    def lift_hold(self, number: int, by: str | None = None) -> bool:
        """End a hold of this table; whether there was one in force."""
        return bool(self._rows_if_installed("lift_hold", since=3, **self._names(), number=number, lifted_by=by))

    def home(self) -> Home | None:
        """The database in which this ledger may destroy, and the one that it is in; None before it is installed."""
        found = self._rows_if_installed("home", since=3)
        return _home(found[0]) if found else None

    def last_retention(self) -> CalendarSpan | None:
        """By which retention the table expired at its last run; None if it never did."""
        found = self._rows_if_installed("retention", since=3, **self._names())
        return CalendarSpan.parse(found[0]["retention"]) if found else None

    def record_retention(self, retention: CalendarSpan) -> None:
        """Note by which retention the table expires; writes only what is new."""
        if self.last_retention() != retention:
            self._write("record_retention", **self._names(), retention=str(retention))


def bounds_of_texts(found: Row) -> Bounds:
    """From the columns `lower_bound` and `upper_bound`."""
    return parse_bounds(f"FOR VALUES FROM ('{found['lower_bound']}') TO ('{found['upper_bound']}')")


def _literal(moment: datetime) -> str:
    if moment in (BEGINNING, END):
        return "-infinity" if moment == BEGINNING else "infinity"
    return KeyType.TIMESTAMPTZ.literal(moment)


def _home(found: Row) -> Home:
    confirmed = Cluster(found["system_identifier"], found["database_oid"])
    current = Cluster(found["current_system_identifier"], found["current_database_oid"])
    return Home(confirmed, found["timeline"], current, found["current_timeline"])
