"""Whom a policy tells: what is read, and what is refused without importing Airflow."""

import sys
from typing import Any

import pytest

from include.partitioning.errors import PolicyError, Problem
from include.partitioning.notify import Occasion
from include.partitioning.policy import PartitionPolicy

SMTP = {
    "notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
    "arguments": {"to": "dba@example.org", "smtp_conn_id": "mail"},
}
HTTP = {"notifier": "airflow.providers.http.notifications.http.HttpNotifier"}


def policy(**notify: Any) -> PartitionPolicy:
    return PartitionPolicy(table="core.sessions", partition_key="created_at", notify=notify)


def problem(**notify: Any) -> Problem:
    with pytest.raises(PolicyError) as caught:
        policy(**notify)
    (only,) = caught.value.problems
    return only


def told(found: PartitionPolicy, occasion: Occasion) -> list[str]:
    return [each.notifier.rpartition(".")[2] for each in found.notify.whom(occasion)]


def test_who_hears_of_failures_hears_of_deadlines_and_alarms_unless_the_policy_says_otherwise() -> None:
    found = policy(on_failure=[SMTP], on_alarm=[HTTP])
    assert {each.name: told(found, each) for each in Occasion} == {
        "FAILURE": ["SmtpNotifier"], "SUCCESS": [], "DEADLINE": ["SmtpNotifier"], "ALARM": ["HttpNotifier"]
    }  # fmt: skip
    assert told(policy(on_failure=[SMTP], on_deadline=[]), Occasion.DEADLINE) == []


@pytest.mark.parametrize("path", ["SmtpNotifier", "airflow..SmtpNotifier", "airflow/smtp.py", "", "airflow.smtp.Smtp-Notifier"])
def test_what_cannot_be_the_path_of_a_class_is_refused_and_an_example_is_given(path: str) -> None:
    found = problem(on_failure=[{"notifier": path}])
    assert found.key == "notify.on_failure.0.notifier"
    assert found.good == "airflow.providers.smtp.notifications.smtp.SmtpNotifier"


@pytest.mark.parametrize(
    "arguments",
    [
        {"password": "x"}, {"slack_token": "x"}, {"headers": {"Authorization": "x"}}, {"blocks": [{"api_key": "x"}]},
        {"endpoint": "https://somebody:x@example.org"}, {"context": {}},
    ],
)  # fmt: skip
def test_secrets_and_what_airflow_gives_are_no_arguments(arguments: dict[str, Any]) -> None:
    found = problem(on_success=[{**HTTP, "arguments": arguments}])
    assert found.key == "notify.on_success.0.arguments"
    assert "x" not in found.wrong.split()


def test_an_unknown_key_is_named_with_those_that_are_known_where_it_stands() -> None:
    assert problem(on_failed=[SMTP]).good == "on_failure"
    found = problem(on_failure=[{**HTTP, "argumens": {}}])
    assert (found.key, found.good) == ("notify.on_failure.0.argumens", "arguments")


def test_a_policy_is_checked_without_airflow() -> None:
    policy(on_failure=[{"notifier": "not_installed.Notifier"}])
    assert "not_installed" not in sys.modules
