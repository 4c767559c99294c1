"""The question to a person, as Markdown. Names come from the catalog, where anything can be in them, so everything is escaped."""

import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

import pendulum

from include.partitioning.approval import Intention, digest_of
from include.partitioning.bounds import Bounds, KeyType
from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Expire, Plan
from include.partitioning.plan_text import human_bytes
from include.partitioning.policy import PartitionPolicy
from include.partitioning.span import format_duration

MOST_LINES = 50
"""Partitions, and findings, that are named one by one."""

_HARMLESS = frozenset(" ,.:;()-_/%+=")
"""ASCII punctuation that means nothing to Markdown inside a line."""

_ESCAPED = frozenset(string.punctuation) - _HARMLESS


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows (by the planner's estimate, None if unknown) and bytes on disk, by OID."""

    rows: Mapping[int, int | None]
    bytes: Mapping[int, int]

    def rows_of(self, oids: Iterable[int]) -> int | None:
        """Of all together; None if one is unknown."""
        found = [self.rows.get(oid) for oid in oids]
        return None if None in found else sum(each for each in found if each is not None)

    def bytes_of(self, oids: Iterable[int]) -> int:
        """Of all together."""
        return sum(self.bytes.get(oid, 0) for oid in oids)


@dataclass(frozen=True, slots=True)
class Question:
    """All that is asked about.

    :param wanted: for each partition of the plan, in its order.
    """

    policy: PartitionPolicy
    table: PartitionedTable
    plan: Plan
    wanted: Sequence[Intention]
    measured: Measured

    @property
    def digest(self) -> str:
        """Of what would be destroyed."""
        return digest_of(self.wanted)

    @property
    def going(self) -> dict[int, Intention]:
        """What this run would take out of use, by OID; the rest only waits."""
        return {each.oid: each for each in self.wanted if each.destroys}

    @property
    def why(self) -> str | None:
        """The limits that are exceeded; None if nobody needs to be asked."""
        if self.policy.approval is None:
            return None
        return self.policy.approval.why_needed(len(self.going), self.measured.rows_of(self.going), self.measured.bytes_of(self.going))


def subject_of(question: Question) -> str:
    """One line, in which Markdown means nothing."""
    going = question.going
    return f"{_printable(str(question.table.name))}: expire {len(going)} partition{'' if len(going) == 1 else 's'}?"


def body_of(question: Question) -> str:
    """What would be done, why, and what an answer means."""
    shown = [*zip(question.plan.expires, question.wanted, strict=True)]
    lines = [
        _summary(question),
        "",
        "| partition | from | to | what will be done | why | rows | size | archive |",
        "| --- | --- | --- | --- | --- | ---: | ---: | --- |",
        *(_line(question, expire, wanted) for expire, wanted in shown[:MOST_LINES]),
        *_rest(question, [expire for expire, _ in shown[MOST_LINES:]]),
        "",
        *_findings(question.plan.findings),
        _meaning(question),
        "",
        f"Digest of what would be destroyed: `{question.digest}`",
    ]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """The text as Markdown shows it unchanged, on one line, whatever is in it."""
    return "".join(f"\\{each}" if each in _ESCAPED else each for each in _printable(text))


def _printable(text: str) -> str:
    """Without characters that would break the line, or turn what follows around."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(each)[0] in "CZ" and each != " " else each for each in text)


def _summary(question: Question) -> str:
    going = question.going
    total = _amount(question.measured.rows_of(going), question.measured.bytes_of(going))
    table, zone = escaped(str(question.table.name)), escaped(question.policy.timezone)
    why = f"Asked because {escaped(question.why)}. " if question.why else ""
    return (
        f"**{len(going)} of {len(question.table.partitions):,} partitions of {table}** would go: {total}. {why}"
        f"Retention: {escaped(str(question.policy.retention))}. Rows are the planner's estimate; times are in {zone}."
    )


def _line(question: Question, expire: Expire, wanted: Intention) -> str:
    lower, upper = _shown_bounds(question, expire.bounds)
    rows = question.measured.rows.get(expire.oid)
    cells = [
        escaped(str(expire.name)),
        lower,
        upper,
        ", ".join(wanted.steps) or "nothing yet",
        escaped(expire.reason if expire.waits or "detach" not in expire.steps else f"older than {question.policy.retention}"),
        "unknown" if rows is None else f"{rows:,}",
        human_bytes(question.measured.bytes.get(expire.oid, 0)),
        escaped(question.policy.archive.path) if question.policy.archive else "**none**",
    ]
    return f"| {' | '.join(cells)} |"


def _rest(question: Question, left: Sequence[Expire]) -> list[str]:
    if not left:
        return []
    oids = [each.oid for each in left]
    rows = question.measured.rows_of(oids)
    size = human_bytes(question.measured.bytes_of(oids))
    return [f"| and {len(left):,} more | | | all are in the log | | {'unknown' if rows is None else f'{rows:,}'} | {size} | |"]


def _findings(findings: Sequence[str]) -> list[str]:
    if not findings:
        return []
    more = [f"- and {len(findings) - MOST_LINES} more, in the log of the plan"] if len(findings) > MOST_LINES else []
    return ["What the plan found besides:", "", *(f"- {escaped(each)}" for each in findings[:MOST_LINES]), *more, ""]


def _meaning(question: Question) -> str:
    late = "are archived too" if question.policy.archive else "go with the rest"
    patience = format_duration(question.policy.approval_timeout)
    return (
        "**Approve**: exactly this is done, or less; a partition of which anything else has changed stays, and its task fails. "
        f"Rows that are written until then {late}. **Reject**, or no answer within {patience}: nothing is detached or dropped, "
        "and the run ends as failed. Creating partitions waits for neither."
    )


def _amount(rows: int | None, size: int) -> str:
    return f"{'an unknown number of rows' if rows is None else f'about {rows:,} rows'}, {human_bytes(size)}"


def _shown_bounds(question: Question, bounds: Bounds) -> tuple[str, str]:
    if question.table.key_type is KeyType.TIMESTAMPTZ:
        return _shown(question, bounds.lower), _shown(question, bounds.upper)
    return _short(bounds.lower), _short(bounds.upper)  # wall-clock time already


def _shown(question: Question, moment: datetime) -> str:
    return _short(pendulum.instance(moment).in_timezone(question.policy.timezone))


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%d %H:%M}"
