"""What a person is asked to agree to, and whether what is going to be destroyed is still that.

Only what a run takes out of the table or drops counts. Rows may come and go meanwhile: the archive has those of its own moment, and a drop
compares. Everything else must be as it was shown, or less.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from include.partitioning.partition import PartitionedTable
from include.partitioning.plan import Expire, Plan, steps_of
from include.partitioning.policy import PartitionPolicy
from include.partitioning.target import Target

DIGEST, ASKED = "digest", "asked"

ANSWERS = ("began", "done", "refused")
"""Outcomes of an event `approve` that are a question, a yes or a no; any other is that of a task which failed."""


@dataclass(frozen=True, slots=True)
class Intention:
    """What a run would do with one partition, in the form in which it is shown, digested and written down.

    :param database: system identifier and OID.
    :param lower: ISO text of the lower bound on the key's axis, inclusive; `upper` likewise, exclusive.
    :param steps: those of archive, detach and drop that this run would take; none while a grace period runs.
    """

    database: str
    table: str
    table_oid: int
    retention: str
    partition: str
    oid: int
    lower: str
    upper: str
    steps: tuple[str, ...]

    @property
    def destroys(self) -> bool:
        """Whether anything goes."""
        return bool(self.steps)

    def as_text(self, digest: str, *, asked: bool) -> str:
        """For the ledger, as part of what has this digest; `asked`: a person was."""
        return json.dumps({DIGEST: digest, ASKED: asked, **asdict(self)})

    @classmethod
    def from_text(cls, text: str) -> "Intention":
        """The inverse."""
        found = json.loads(text)
        return cls(**{**{each.name: found[each.name] for each in fields(cls)}, "steps": tuple(found["steps"])})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a question.

    :param digest: of the plan that was shown.
    :param said: how it came about, such as "rejected" or "nobody answered within 24 h".
    :param by: the person's name, with the id where that is another; None if it was nobody.
    :param at: ISO text.
    """

    digest: str
    said: str
    by: str | None
    at: str

    def as_text(self) -> str:
        """For the ledger."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_text(cls, text: str) -> "Answer":
        """The inverse."""
        return cls(**json.loads(text))

    def __str__(self) -> str:
        """A sentence without its full stop."""
        who = f' by "{self.by}"' if self.by else ""
        return f"{self.said}{who} at {self.at} (digest {self.digest[:12]})"


AskedAbout = tuple[str, dict[int, Intention]]
"""A digest, and what it is about, by OID."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a run's history of questions and answers. `outcome`: began (asked), done (yes) or refused (no)."""

    outcome: str
    detail: str

    def __str__(self) -> str:
        """For a log."""
        if self.outcome == "began":
            return f"planned: {', '.join(Intention.from_text(self.detail).steps) or 'nothing yet'}"
        return str(Answer.from_text(self.detail))


def intentions(policy: PartitionPolicy, table: PartitionedTable, plan: Plan) -> tuple[Intention, ...]:
    """For each partition of the plan."""
    return tuple(_intention(policy, table, each, _steps_now(policy, each)) for each in plan.expires)


def intention_for(policy: PartitionPolicy, table: PartitionedTable, target: Target) -> Intention:
    """What a step that was asked for this partition is about to do, together with those behind it."""
    return _intention(policy, table, target, steps_of_run(policy, attached=target.detached is None))


def _intention(policy: PartitionPolicy, table: PartitionedTable, partition: Expire | Target, steps: tuple[str, ...]) -> Intention:
    return Intention(
        database=table.cluster.identity,
        table=str(table.name),
        table_oid=table.oid,
        retention=str(policy.retention),
        partition=str(partition.name),
        oid=partition.oid,
        lower=partition.bounds.lower.isoformat(),
        upper=partition.bounds.upper.isoformat(),
        steps=steps,
    )


def steps_of_run(policy: PartitionPolicy, *, attached: bool) -> tuple[str, ...]:
    """Those of the steps to which the policy leads that one run takes: after a detach with a grace period, the drop is a later run's."""
    later = ("drop",) if attached and policy.detached_retention is not None else ()
    return tuple(step for step in steps_of(policy, attached=attached) if step not in later)


def digest_of(found: Iterable[Intention]) -> str:
    """SHA-256 of all of it. The same for the same intentions, in whichever order."""
    lines = sorted(json.dumps(asdict(each), sort_keys=True) for each in found)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def approved(history: Sequence[Entry]) -> dict[int, Intention]:
    """What a run may do, by OID: all that was ever agreed to since the last no. Of one partition, the last counts."""
    asked: dict[str, list[Intention]] = {}
    agreed: dict[int, Intention] = {}
    for entry in history:
        if entry.outcome == "began":
            asked.setdefault(json.loads(entry.detail)[DIGEST], []).append(Intention.from_text(entry.detail))
        elif entry.outcome == "refused":
            agreed.clear()
        elif entry.outcome == "done":
            agreed |= {each.oid: each for each in asked.get(Answer.from_text(entry.detail).digest, [])}
    return agreed


def first_question(history: Sequence[Entry]) -> AskedAbout | None:
    """What people were asked first: Airflow 3.3.2 shows this again whenever the task that asks is cleared or tried again."""
    asked = _asked(history)
    return _question(asked, asked[0][0]) if asked else None


def last_question(history: Sequence[Entry]) -> AskedAbout | None:
    """What people were asked last: this is what they answer."""
    asked = _asked(history)
    return _question(asked, asked[-1][0]) if asked else None


def _asked(history: Sequence[Entry]) -> list[tuple[str, Intention]]:
    details = [entry.detail for entry in history if entry.outcome == "began" and json.loads(entry.detail)[ASKED]]
    return [(json.loads(detail)[DIGEST], Intention.from_text(detail)) for detail in details]


def _question(asked: Sequence[tuple[str, Intention]], digest: str) -> AskedAbout:
    return digest, {each.oid: each for found, each in asked if found == digest}


def last_no(history: Sequence[Entry]) -> Answer | None:
    """The newest answer, if it was no."""
    answers = [entry for entry in history if entry.outcome in ("done", "refused")]
    return Answer.from_text(answers[-1].detail) if answers and answers[-1].outcome == "refused" else None


def covers(seen: Mapping[int, Intention], going: Iterable[Intention]) -> bool:
    """Whether all of it is as it was seen, or less."""
    return all(why_not_approved(seen, each) is None for each in going)


def why_not_approved(agreed: Mapping[int, Intention], now: Intention) -> str | None:
    """What is not as it was agreed to, or None."""
    seen = agreed.get(now.oid) or next((each for each in agreed.values() if each.partition == now.partition), None)
    if seen is None:
        return "it was not among the partitions that were shown"
    pairs = [(what, getattr(seen, field), getattr(now, field)) for field, what in _IDENTITY.items()]
    changes = [_change(what, then, today) for what, then, today in pairs if then != today]
    if not set(now.steps) <= set(seen.steps) or ("archive" in seen.steps) != ("archive" in now.steps):
        changes.append(_change("what would be done with it", ", ".join(seen.steps) or "nothing", ", ".join(now.steps)))
    return "; ".join(changes) or None


_IDENTITY = {
    "database": "the database",
    "table": "the table",
    "table_oid": "the table's OID",
    "retention": "the retention",
    "partition": "its name",
    "oid": "its OID",
    "lower": "its lower bound",
    "upper": "its upper bound",
}


def _change(what: str, seen: object, now: object) -> str:
    return f"{what} was {seen} and is {now}"


def _steps_now(policy: PartitionPolicy, expire: Expire) -> tuple[str, ...]:
    return () if expire.waits else steps_of_run(policy, attached="detach" in expire.steps)
