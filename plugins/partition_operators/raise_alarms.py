"""The check that looks at tables from outside of their own DAGs."""

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink, Context
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.config import read_policies
from include.postgres.alarm import APPLICATION, LONGEST_LOOK, look_at
from partition_operators.alarm_messages import tell_of
from partition_operators.connecting import connected_to_read
from partition_operators.links import RunbookLink


class RaiseAlarmsOperator(BaseOperator):
    """Look at all tables of one database that have policies, and tell those whom the policies name of what is wrong.

    It asks the database only, not Airflow: a DAG that is paused, broken or gone is noticed by what it has not done.

    **When it fails** its message says what is wrong, a line for each problem, the worst first. The runbook says what to do. It succeeds
    again when nothing is wrong.

    :param postgres_conn_id: of the database; the tables are those whose policies have it. (templated, mappable)
    """

    template_fields: Sequence[str] = ("postgres_conn_id",)
    operator_extra_links: Sequence[BaseOperatorLink] = (RunbookLink(),)
    ui_color = "#ffebee"

    def __init__(self, *, postgres_conn_id: str, **kwargs: Any) -> None:  # noqa: ANN401 - BaseOperator's own arguments
        kwargs.setdefault("doc_md", inspect.getdoc(type(self)))
        super().__init__(**kwargs)
        self.postgres_conn_id = postgres_conn_id

    def execute(self, context: Context) -> int:
        """Return how many tables are in order."""
        policies = [policy for policy in read_policies().policies if policy.postgres_conn_id == self.postgres_conn_id]
        connect = partial(connected_to_read, self.postgres_conn_id, APPLICATION, LONGEST_LOOK)
        alarms = look_at(self.postgres_conn_id, connect, policies)
        if alarms:
            raise AirflowFailException("\n".join([*map(str, alarms), *tell_of(alarms, f'on "{self.postgres_conn_id}"', policies, context)]))
        self.log.info("%d tables are in order", len(policies))
        return len(policies)
