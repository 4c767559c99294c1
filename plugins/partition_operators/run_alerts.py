"""One message about a whole run: that it failed, succeeded, or is not done in time."""

import importlib.util
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from airflow.configuration import conf

from include.partitioning.notification import Notification, failures_of_run
from include.partitioning.notify import NotifierPolicy, Occasion
from include.partitioning.policy import PartitionPolicy
from include.partitioning.span import format_duration
from include.postgres.ledger import Ledger
from include.postgres.ledger_records import RunIdentity
from include.postgres.queries import Row
from partition_operators.connecting import connected_to_read
from partition_operators.notifiers import tell, tell_async, unusable

LONGEST_LOOK = timedelta(seconds=10)
"""At the ledger: callbacks run in the DAG processor, which gives a file 50 seconds in all."""

log = logging.getLogger(__name__)


def alerts_of(policy: PartitionPolicy) -> dict[str, Any]:
    """Arguments for the policy's DAG: callbacks for whom it tells of runs, and the deadline if it has one."""
    arguments: dict[str, Any] = {
        f"{occasion.value}_callback": TellOfRun(policy, occasion)
        for occasion in (Occasion.FAILURE, Occasion.SUCCESS)
        if policy.notify.whom(occasion)
    }
    if policy.deadline is not None and deadlines_are_known():
        arguments["deadline"] = _deadline(policy, policy.deadline)
    return arguments


def deadlines_are_known() -> bool:
    """Whether this Airflow watches deadlines; 3.1 is the first that does."""
    return importlib.util.find_spec("airflow.sdk.definitions.deadline") is not None


def unusable_alerts(policy: PartitionPolicy) -> list[str]:
    """Why somebody would not be told, a sentence each. Such a policy's table is looked after all the same; `report` then fails."""
    late = [] if policy.deadline is None or deadlines_are_known() else ["this Airflow watches no deadlines; 3.1 does"]
    return [*unusable(policy.notify), *late]


@dataclass(frozen=True, slots=True, repr=False)
class TellOfRun:
    """A callback of a DAG: Airflow's DAG processor calls it once when a run has ended."""

    policy: PartitionPolicy
    occasion: Occasion

    def __call__(self, context: Mapping[str, Any]) -> None:
        """Say what failed, of which object, and what to do; or what was done.

        :raises NotToldError: somebody could not be told; Airflow writes that into the log of the DAG processor.
        """
        tell(self._notification(context), self.policy.notify.whom(self.occasion), context)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.policy.table}, {self.occasion.value})"

    def _notification(self, context: Mapping[str, Any]) -> Notification:
        dag_id, run_id = context["dag"].dag_id, context["run_id"]
        events, unread = _events(self.policy, dag_id, run_id)
        if self.occasion is Occasion.SUCCESS:
            how, lines = "succeeded", _counts(events)
        else:
            how, lines = "failed", [str(each) for each in failures_of_run(_states(context, dag_id, run_id), events)]
        subject = f'partition lifecycle of "{self.policy.table}": the run {run_id} {how}'
        return Notification(self.occasion, subject, (*lines, *unread), str(self.policy.table), dag_id, run_id, _link(dag_id, run_id))


async def run_is_late(table: str, deadline: str, notifiers: list[dict[str, Any]], context: Mapping[str, Any]) -> None:
    """Called by the triggerer for a run that is not done by its deadline.

    :param notifiers: as the policy had them when the DAG was parsed; the triggerer may have no policy files.
    :param context: has `dag_run`, as the REST API shows it.
    :raises NotToldError: somebody could not be told; Airflow keeps that as the callback's output.
    """
    dag_id, run_id = context["dag_run"]["dag_id"], context["dag_run"]["dag_run_id"]
    entries = [NotifierPolicy(**each) for each in notifiers]
    subject = f'partition lifecycle of "{table}": the run {run_id} is not done {deadline} after it was queued'
    what = "see in its log what the running task waits for, or why none runs; the run goes on"
    if not entries:
        log.warning("%s; the policy tells nobody: notify.on_deadline", subject)
    await tell_async(Notification(Occasion.DEADLINE, subject, (what,), table, dag_id, run_id, _link(dag_id, run_id)), entries, context)


def _deadline(policy: PartitionPolicy, interval: timedelta) -> Any:  # noqa: ANN401 - a class of Airflow's that older ones lack
    # In 3.1 this is the only place that has all three.
    from airflow.sdk.definitions.deadline import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]  # noqa: PLC0415

    notifiers = [each.model_dump(mode="json") for each in policy.notify.whom(Occasion.DEADLINE)]
    callback = AsyncCallback(
        run_is_late, kwargs={"table": str(policy.table), "deadline": format_duration(interval), "notifiers": notifiers}
    )
    # Queued, not due: a manual run may have no logical date, and one of a backfill is years late from the beginning.
    return DeadlineAlert(DeadlineReference.DAGRUN_QUEUED_AT, interval, callback)


def _events(policy: PartitionPolicy, dag_id: str, run_id: str) -> tuple[list[Row], list[str]]:
    """What the run wrote into the ledger, and why that cannot be said."""
    try:
        with connected_to_read(policy.postgres_conn_id, f"partition_lifecycle notify {policy.table}", LONGEST_LOOK) as connection:
            return Ledger(connection, policy.table, RunIdentity(dag_id, run_id)).events_of_run(), []
    except Exception as error:  # noqa: BLE001 - the database may be what failed, and a message that says less is better than none
        return [], [f"the ledger cannot be read, so messages are in the logs only: {error}"]


def _states(context: Mapping[str, Any], dag_id: str, run_id: str) -> Mapping[str, str | None] | None:
    """Of all task instances of the run; None if they cannot be asked, as in `dag.test`."""
    try:
        states: Mapping[str, str | None] = context["ti"].get_task_states(dag_id=dag_id, run_ids=[run_id])[run_id]
    except Exception as error:  # noqa: BLE001 - as above: then the ledger alone says what failed
        log.warning("the states of the tasks of %s are not known: %s", run_id, error)
        return None
    return states


def _counts(events: list[Row]) -> list[str]:
    counts = Counter(f"{each['action']} {each['outcome']}" for each in events if each["action"] != "run")
    return [f"{what}: {count}" for what, count in sorted(counts.items())] or ["there was nothing to do"]


def _link(dag_id: str, run_id: str) -> str | None:
    address = conf.get("api", "base_url", fallback=None)
    return f"{address.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id)}" if address else None
