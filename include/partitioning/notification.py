"""What somebody is told, as plain text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.partitioning.notify import Occasion


@dataclass(frozen=True, slots=True)
class Notification:
    """One message.

    :param subject: one line that says of which object and what.
    :param lines: what is wrong, object by object, each with what to do.
    :param table: None where it is about several.
    :param link: to the run in Airflow's UI, where its address is known.
    """

    occasion: Occasion
    subject: str
    lines: tuple[str, ...]
    table: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    link: str | None = None

    @property
    def text(self) -> str:
        """The whole message; what PostgreSQL said in several lines is one."""
        return "\n".join([self.subject, *(f"- {' '.join(line.split())}" for line in self.lines), *([self.link] if self.link else [])])


@dataclass(frozen=True, slots=True)
class Failure:
    """A task instance that failed; `said` is its last message, if the ledger has it."""

    task: str
    about: str | None = None
    said: str | None = None

    def __str__(self) -> str:
        """Which task, which object, and the message, which says what to do."""
        about = f' "{self.about}"' if self.about else ""
        return f"{self.task}{about}: {self.said or 'its log says why'}"


def failures_of_run(states: Mapping[str, str | None] | None, events: Sequence[Mapping[str, object]]) -> list[Failure]:
    """What failed, each once: the task instances with their last messages. The report fails for what others did, so it is named if none did.

    :param states: by `task_id`, or `task_id_map_index`; None if only the events are known.
    :param events: of the run, in order, as the ledger has them.
    """
    said = {_instance_of(event): event for event in events if event["outcome"] in ("failed", "refused")}
    failed = said if states is None else [task for task, state in states.items() if state == "failed"]
    others = [task for task in failed if task != "report"]
    return [_failure(task, said.get(task)) for task in sorted(others or failed)]


def _failure(task: str, event: Mapping[str, object] | None) -> Failure:
    if event is None:
        return Failure(task)
    return Failure(task, str(event["partition"] or event["parent"]), str(event["detail"]))


def _instance_of(event: Mapping[str, object]) -> str:
    index = event["map_index"]
    return f"{event['task_id']}_{index}" if isinstance(index, int) and index >= 0 else str(event["task_id"])
