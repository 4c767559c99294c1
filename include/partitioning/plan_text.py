"""A plan for people: the lines of a task log, and plain values for XCom. No secret and no row value is in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from include.partitioning.names import TableName
from include.partitioning.plan import Create, Expire, Plan

Statements = Mapping[str, Sequence[str]]
"""The statements that will run for each partition, by its name."""


def as_dict(plan: Plan, sizes: Mapping[int, int], statements: Statements) -> dict[str, Any]:
    """The plan as JSON values. Times are ISO; rows are estimates, None if unknown; bytes include indexes and TOAST."""
    return {
        "table": str(plan.table),
        "reference_date": plan.reference.isoformat(),
        "keeps_newer_than": plan.horizon.cutoff.isoformat() if plan.horizon.cutoff else None,
        "create": [_created(each, statements) for each in plan.creates],
        "expire": [_expired(each, sizes, statements) for each in plan.expires],
        "findings": [*plan.findings, *([plan.too_many_creates] if plan.too_many_creates else [])],
    }


@dataclass(frozen=True, slots=True)
class Line:
    """A line for a person, with the statements behind it."""

    text: str
    statements: tuple[str, ...] = ()


def lines_as_dicts(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Lines as JSON values."""
    return [{"text": each.text.strip(), "statements": list(each.statements)} for each in lines]


def describe(plan: Plan, sizes: Mapping[int, int], statements: Statements) -> list[Line]:
    """The plan line by line."""
    cutoff = f"keeps what is newer than {plan.horizon.cutoff:%Y-%m-%d %H:%M}" if plan.horizon.cutoff else "keeps everything"
    lines = [f"plan for {plan.table} as of {plan.reference:%Y-%m-%d %H:%M} UTC; {cutoff}"]
    lines += [f"finding: {finding}" for finding in plan.findings]
    if plan.too_many_creates:
        lines.append(f"will fail: {plan.too_many_creates}")
    creates = [_with_statements(_create_line(each), each.name, statements) for each in plan.creates]
    expires = [_with_statements(_expire_line(each, sizes), each.name, statements) for each in plan.expires]
    return [
        *map(Line, lines),
        Line(f"create {len(creates)} partitions" if creates else "create nothing: every partition wanted exists"),
        *creates,
        Line(f"expire {len(expires)} partitions" if expires else "expire nothing"),
        *expires,
    ]


def _with_statements(line: str, partition: TableName, statements: Statements) -> Line:
    return Line(line, tuple(statements.get(str(partition), ())))


def human_bytes(size: float) -> str:
    """`1.5 MiB` and the like."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _create_line(create: Create) -> str:
    blocked = f"; will fail: the name is taken by {create.blocked_by}" if create.blocked_by else ""
    return f"  create {create.name} {create.bounds}: {create.reason}{blocked}"


def _expire_line(expire: Expire, sizes: Mapping[int, int]) -> str:
    rows = "an unknown number of rows" if expire.rows is None else f"about {expire.rows:,} rows"
    size = human_bytes(sizes.get(expire.oid, 0))
    return f"  {', '.join(expire.steps) or 'nothing left to do for'} {expire.name} {expire.bounds}: {expire.reason}; {rows}, {size}"


def _created(create: Create, statements: Statements) -> dict[str, Any]:
    return {
        "partition": str(create.name),
        "lower": create.bounds.lower.isoformat(),
        "upper": create.bounds.upper.isoformat(),
        "reason": create.reason,
        "blocked_by": create.blocked_by,
        "statements": list(statements.get(str(create.name), ())),
    }


def _expired(expire: Expire, sizes: Mapping[int, int], statements: Statements) -> dict[str, Any]:
    return {
        "partition": str(expire.name),
        "lower": expire.bounds.lower.isoformat(),
        "upper": expire.bounds.upper.isoformat(),
        "reason": expire.reason,
        "steps": list(expire.steps),
        "rows": expire.rows,
        "bytes": sizes.get(expire.oid),
        "statements": list(statements.get(str(expire.name), ())),
    }
