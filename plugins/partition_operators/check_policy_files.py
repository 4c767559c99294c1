"""The check of the policy files themselves: a table whose policy cannot be read is looked after by nobody."""

import inspect
from collections.abc import Sequence
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink, Context
from airflow.sdk.exceptions import AirflowFailException

from include.partitioning.alarm import Alarm, Severity
from include.partitioning.config import read_policies
from partition_operators.alarm_messages import tell_of
from partition_operators.links import RunbookLink


class CheckPolicyFilesOperator(BaseOperator):
    """Read the policy files, and tell everybody whom a good policy names of what is wrong with the others.

    **When it fails** its message says which policies are not usable, and why. Mend the file; `make check-policies` checks it.
    """

    operator_extra_links: Sequence[BaseOperatorLink] = (RunbookLink(),)
    ui_color = "#ffebee"

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401 - BaseOperator's own arguments
        kwargs.setdefault("doc_md", inspect.getdoc(type(self)))
        super().__init__(**kwargs)

    def execute(self, context: Context) -> int:
        """Return how many policies there are."""
        found = read_policies()
        alarms = [Alarm(Severity.CRITICAL, "policies", text) for text in dict.fromkeys(map(str, found.problems))]
        if alarms:
            raise AirflowFailException("\n".join([*map(str, alarms), *tell_of(alarms, "on the policy files", found.policies, context)]))
        return len(found.policies)
