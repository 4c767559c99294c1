"""What a person is asked, what the ledger keeps of it, and what detach and drop do with and without it, on a real catalog."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.operators import hitl
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskAwaitingInput

from partition_operators.approve_plan import ApprovePlanOperator
from partition_operators.archive_partition import ArchivePartitionOperator
from partition_operators.detach_partition import DetachPartitionOperator
from partition_operators.drop_partition import DropPartitionOperator
from partition_operators.lifecycle_operator import LifecycleOperator
from partition_operators.plan_partitions import PlanPartitionsOperator
from partition_operators.report_run import ReportRunOperator
from tests.integration.conftest import AS_OF, Lifecycle

OLD, NEXT, THIRD = "app.events_p202408", "app.events_p202409", "app.events_p202410"
ALL = [OLD, NEXT, THIRD]
EARLIER = "CREATE TABLE app.events_p202407 PARTITION OF app.events FOR VALUES FROM ('2024-07-01 00:00+00') TO ('2024-08-01 00:00+00')"
ANA = {"id": "ana", "name": "ana"}


@dataclass
class Run:
    """One DAG run, as far as the operators see it; Airflow's part in asking is played by the test."""

    lifecycle: Lifecycle
    run_id: str = "run 1"
    policy: dict[str, Any] = field(default_factory=lambda: {"approval": "required"})
    asked: list[dict[str, Any]] = field(default_factory=list)
    pushed: dict[str, Any] = field(default_factory=dict)

    def operator(self, kind: type[LifecycleOperator], **arguments: Any) -> LifecycleOperator:
        return kind(task_id="step", policy=self.lifecycle.policy(**self.policy), reference_date=AS_OF, **arguments)

    def context(self) -> Any:
        def push(key: str, value: Any) -> None:
            self.pushed[key] = value

        instance = SimpleNamespace(id="ti", dag_id="dag", run_id=self.run_id, task_id="step", map_index=-1, try_number=1, xcom_push=push)
        instance.get_task_states = lambda **_: {}
        return {"ti": instance, "task_instance": instance}

    def step(self, kind: type[LifecycleOperator], **arguments: Any) -> Any:
        return self.operator(kind, **arguments).execute(self.context())

    def ask(self, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> dict[str, Any]:
        """What the person sees."""
        monkeypatch.setattr(hitl, "upsert_hitl_detail", lambda **shown: self.asked.append(shown))
        with pytest.raises(TaskAwaitingInput):
            self.step(ApprovePlanOperator, **arguments)
        return self.asked[-1]

    def answer(self, option: str, user: dict[str, str] | None = ANA) -> list[str]:
        """The partitions that may go."""
        event = {
            "chosen_options": [option], "params_input": {}, "responded_at": datetime(2026, 11, 22, 12, tzinfo=UTC), "responded_by_user": user
        }  # fmt: skip
        names: list[str] = self.operator(ApprovePlanOperator).execute_complete(self.context(), event)  # type: ignore[attr-defined]  # of this operator alone
        return names

    def approved(self, monkeypatch: pytest.MonkeyPatch) -> "Run":
        self.ask(monkeypatch)
        assert self.answer("Approve") == ALL
        return self

    def archive(self, name: str) -> None:
        self.step(ArchivePartitionOperator, partition=name)

    def detach(self, name: str) -> str:
        self.archive(name)
        return str(self.step(DetachPartitionOperator, partition=name))

    def drop(self, name: str) -> str:
        return str(self.step(DropPartitionOperator, partition=name))

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        found = self.lifecycle.sql("SELECT outcome, detail FROM partition_lifecycle.event WHERE action = 'approve' ORDER BY event_id")
        return [(each["outcome"], json.loads(each["detail"])) for each in found]


@pytest.fixture
def run(lifecycle: Lifecycle) -> Run:
    return Run(lifecycle)


def test_the_person_sees_what_the_plan_says_and_a_yes_lets_exactly_that_go(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.lifecycle.analyze()
    assert run.step(PlanPartitionsOperator) == ALL
    shown = run.ask(monkeypatch)
    assert shown["subject"] == "app.events: expire 3 partitions?"
    assert "| app.events_p202408 | 2024-08-01 | 2024-09-01 | archive, detach, drop | older than 24 months | 50 |" in shown["body"]
    assert "about 150 rows" in shown["body"]
    assert "every worker must see the same folder there" in shown["body"]
    assert (shown["options"], shown["defaults"], shown["multiple"]) == (["Approve", "Reject"], ["Reject"], False)
    digest = run.pushed["plan"]["digest"]
    assert digest in shown["body"]

    assert run.answer("Approve", {"id": "17", "name": "Ana Meier"}) == ALL
    outcomes = run.events()
    assert [outcome for outcome, _ in outcomes] == ["began", "began", "began", "done"]
    assert {detail["digest"] for _, detail in outcomes} == {digest}
    assert outcomes[-1][1] == {"digest": digest, "said": "approved", "by": "Ana Meier (17)", "at": "2026-11-22T12:00:00+00:00"}
    assert "detached" in run.detach(OLD)
    assert "dropped" in run.drop(OLD)
    assert run.step(ReportRunOperator)["approve done"] == 1


def test_without_an_approval_nothing_is_detached_or_dropped_and_the_message_says_how_to_get_one(run: Run) -> None:
    with pytest.raises(
        AirflowFailException, match="asks for an approval, and the ledger has none of this DAG run; put an ApprovePlanOperator"
    ):
        run.detach(OLD)
    unasked = Run(run.lifecycle, policy={})
    unasked.detach(NEXT)
    with pytest.raises(AirflowFailException, match="the ledger has none of this DAG run"):
        run.drop(NEXT)
    with pytest.raises(AirflowFailException, match="the ledger has none of this DAG run"):  # no run at all
        run.operator(DetachPartitionOperator, partition=OLD).execute({})
    assert run.lifecycle.partitions()[0] == "events_p202408"
    assert run.lifecycle.exists(NEXT)


def test_a_question_without_an_answer_is_no_approval_and_neither_is_that_of_another_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.ask(monkeypatch)
    with pytest.raises(AirflowFailException, match="the ledger has none of this DAG run"):
        run.detach(OLD)
    Run(run.lifecycle, "run 2").approved(monkeypatch)
    with pytest.raises(AirflowFailException, match="the ledger has none of this DAG run"):
        run.detach(OLD)


@pytest.mark.parametrize(
    ("user", "said"), [(ANA, 'rejected by "ana" at 2026-11-22T12:00:00'), (None, "nobody answered within 24 h at 2026-11-22T12:00:00")]
)
def test_after_a_no_nothing_is_mapped_nothing_goes_and_the_report_fails_with_who_said_so(
    run: Run, monkeypatch: pytest.MonkeyPatch, user: dict[str, str] | None, said: str
) -> None:
    run.ask(monkeypatch)
    assert run.answer("Reject", user) == []
    assert run.events()[-1][0] == "refused"
    with pytest.raises(AirflowFailException, match="the ledger has none"):
        run.detach(OLD)
    with pytest.raises(AirflowFailException, match=rf"{said}.*nothing was destroyed. The next run asks again"):
        run.step(ReportRunOperator)
    run.approved(monkeypatch)  # the task was cleared, and the person thought better of it
    assert run.step(ReportRunOperator)["approve done"] == 1


def test_a_no_to_a_later_question_takes_back_what_is_left_of_an_earlier_yes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.ask(monkeypatch)
    run.answer("Reject")
    run.lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'case 4711', '2024-08-01', '2024-09-01')")
    run.ask(monkeypatch)
    run.answer("Approve")
    run.detach(NEXT)
    run.lifecycle.sql("UPDATE partition_lifecycle.hold SET lifted_at = now()")
    run.ask(monkeypatch)
    assert run.answer("Reject") == []
    with pytest.raises(AirflowFailException, match="the ledger has none"):
        run.drop(NEXT)
    with pytest.raises(AirflowFailException, match="what had been approved before had been done: 1 detached or dropped"):
        run.step(ReportRunOperator)


def test_a_cleared_run_is_not_asked_again_for_what_is_left_of_what_was_approved(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    assert run.step(ApprovePlanOperator) == ALL
    run.detach(OLD)
    run.drop(OLD)
    run.detach(NEXT)
    assert run.step(ApprovePlanOperator) == [NEXT, THIRD]
    run.drop(NEXT)
    assert [outcome for outcome, _ in run.events()] == ["began"] * 3 + ["done"]


def test_a_cleared_run_is_asked_again_after_a_no_and_about_less_but_not_about_anything_else(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.ask(monkeypatch)
    run.answer("Reject")
    run.lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'case 4711', '2024-08-01', '2024-09-01')")
    run.ask(monkeypatch)
    assert run.answer("Approve") == [NEXT, THIRD]
    run.lifecycle.sql("UPDATE partition_lifecycle.hold SET lifted_at = now()")
    with pytest.raises(AirflowFailException, match="it was not among the partitions that were shown"):
        run.detach(OLD)
    run.lifecycle.sql(EARLIER)
    with pytest.raises(
        AirflowFailException, match=r"this DAG run has asked about .* before, when something else was to go.*start the DAG again"
    ):
        run.step(ApprovePlanOperator)
    assert "app.events_p202407" in Run(run.lifecycle, "run 2").ask(monkeypatch)["body"]


def test_a_no_to_another_table_s_question_in_the_same_run_takes_nothing_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.lifecycle.sql("""
        CREATE TABLE app.days (created_at date NOT NULL) PARTITION BY RANGE (created_at);
        CREATE TABLE app.days_old PARTITION OF app.days FOR VALUES FROM ('2024-08-01') TO ('2024-09-01');
        CREATE TABLE app.days_new PARTITION OF app.days FOR VALUES FROM ('2026-11-01') TO ('2026-12-01')
    """)
    other = Run(run.lifecycle, policy={"approval": "required", "table": "app.days"})
    other.ask(monkeypatch)
    other.answer("Reject")
    assert "detached" in run.detach(OLD)


def test_another_table_of_the_name_that_was_approved_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    old_oid = run.lifecycle.value("SELECT %s::regclass::oid::bigint", OLD)
    run.lifecycle.sql(f"""
        DROP TABLE {OLD};
        CREATE TABLE {OLD} PARTITION OF app.events FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')
    """)
    with pytest.raises(
        AirflowFailException, match=rf'"{OLD}" is not what was approved, and stays: its OID was {old_oid} and is \d+; start the DAG again'
    ):
        run.detach(OLD)
    assert "detached" in run.detach(NEXT)


def test_a_partition_of_other_bounds_than_were_approved_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.lifecycle.sql(f"""
        ALTER TABLE app.events DETACH PARTITION {OLD};
        ALTER TABLE app.events ATTACH PARTITION {OLD} FOR VALUES FROM ('2024-07-01 00:00+00') TO ('2024-09-01 00:00+00')
    """)
    with pytest.raises(AirflowFailException, match=r"its lower bound was 2024-08-01T00:00:00\+00:00 and is 2024-07-01"):
        run.detach(OLD)


def test_a_retention_that_changed_after_the_yes_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.policy = {"approval": "required", "retention": "20 months"}
    with pytest.raises(AirflowFailException, match="the retention was 24 months and is 20 months"):
        run.detach(OLD)


def test_an_archive_that_was_taken_out_of_the_policy_after_the_yes_stops_the_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.policy = {"approval": "required", "archive": None, "destroy_without_archive": True}
    with pytest.raises(AirflowFailException, match="what would be done with it was archive, detach, drop and is detach, drop"):
        run.detach(OLD)


def test_a_partition_that_was_to_be_dropped_only_and_is_attached_again_is_not_detached(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Run(run.lifecycle, policy={}).detach(OLD)
    assert "| archive, drop | detached at" in run.ask(monkeypatch)["body"]
    run.answer("Approve")
    run.lifecycle.sql(f"ALTER TABLE app.events ATTACH PARTITION {OLD} FOR VALUES FROM ('2024-08-01 00:00+00') TO ('2024-09-01 00:00+00')")
    with pytest.raises(AirflowFailException, match="what would be done with it was archive, drop and is archive, detach, drop"):
        run.detach(OLD)


def test_a_hold_that_came_after_the_yes_holds(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.lifecycle.sql("SELECT partition_lifecycle.set_hold('app.events', 'case 4711', '2024-08-01', '2024-09-01')")
    with pytest.raises(AirflowFailException, match="case 4711"):
        run.detach(OLD)


def test_rows_that_came_after_the_yes_are_archived_and_go_with_the_rest(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.approved(monkeypatch)
    run.lifecycle.sql("INSERT INTO app.events VALUES (999, 1, '2024-08-15 00:00+00', 'late')")
    run.detach(OLD)
    assert "51 rows are in" in run.drop(OLD)


def test_the_drop_after_a_grace_period_is_asked_for_by_the_run_that_does_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.policy = {"approval": "required", "detached_retention": "7 days"}
    assert "| archive, detach |" in run.ask(monkeypatch)["body"]
    run.answer("Approve")
    run.detach(OLD)
    with pytest.raises(AirflowSkipException, match="waits"):
        run.drop(OLD)
    run.lifecycle.sql("UPDATE partition_lifecycle.detached_partition SET drop_after = now()")
    with pytest.raises(AirflowFailException, match="what would be done with it was archive, detach and is archive, drop"):
        run.drop(OLD)
    later = Run(run.lifecycle, "run 2", run.policy)
    assert "| archive, drop | detached at" in later.ask(monkeypatch)["body"]
    later.answer("Approve")
    assert "dropped" in later.drop(OLD)


def test_a_grace_period_that_ends_between_question_and_drop_is_left_to_the_next_run(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Run(run.lifecycle, policy={"detached_retention": "7 days"}).detach(OLD)
    assert "| nothing yet | detached at" in run.ask(monkeypatch)["body"]
    assert run.answer("Approve") == ALL
    run.lifecycle.sql("UPDATE partition_lifecycle.detached_partition SET drop_after = now()")
    with pytest.raises(AirflowSkipException, match="waits for the next run: its grace period was not over"):
        run.drop(OLD)


def test_nobody_is_asked_when_nothing_expires_when_all_only_waits_in_a_dry_run_and_without_the_key(run: Run) -> None:
    assert Run(run.lifecycle, policy={"approval": "required", "retention": "60 months"}).step(ApprovePlanOperator) == []
    assert run.step(ApprovePlanOperator, dry_run=True) == ALL
    assert Run(run.lifecycle, policy={}).step(ApprovePlanOperator) == ALL
    for name in ALL:
        Run(run.lifecycle, policy={"detached_retention": "7 days"}).detach(name)
    assert run.step(ApprovePlanOperator) == ALL
    assert run.events() == []
    assert run.step(DropPartitionOperator, partition=OLD, dry_run=True).startswith("would drop")


def test_within_the_limits_the_policy_answers_by_itself_and_still_only_for_what_the_plan_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.policy = {"approval": {"partitions": 3, "bytes": "1 GiB"}}
    assert run.step(ApprovePlanOperator) == ALL
    assert run.events()[-1] == ("done", run.events()[-1][1] | {"said": "this is within the limits of the policy", "by": None})
    assert "detached" in run.detach(OLD)
    run.lifecycle.sql(EARLIER)
    with pytest.raises(AirflowFailException, match="it was not among the partitions that were shown"):
        run.detach("app.events_p202407")


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ({"partitions": 2}, "3 partitions are more than 2"),
        ({"rows": 149}, "about 150 rows are more than 149"),
        ({"bytes": "1 KiB"}, "bytes are more than 1,024"),
    ],
)
def test_above_a_limit_a_person_is_asked_and_told_which(run: Run, monkeypatch: pytest.MonkeyPatch, limit: dict[str, Any], why: str) -> None:
    run.lifecycle.analyze()
    run.policy = {"approval": limit}
    assert why in run.ask(monkeypatch)["body"]


def test_rows_that_were_never_counted_may_be_too_many(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.policy = {"approval": {"rows": 10**9}}
    assert "an unknown number of rows may be more than 1,000,000,000" in run.ask(monkeypatch)["body"]


def test_only_who_may_is_asked_and_for_as_long_as_the_policy_says(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.policy = {"approval": "required", "approvers": ["ana", "17"], "approval_timeout": "2 h"}
    assert run.ask(monkeypatch)["assigned_users"] == [{"id": "ana", "name": "ana"}, {"id": "17", "name": "17"}]
    with pytest.raises(TaskAwaitingInput) as waiting:
        run.step(ApprovePlanOperator)
    assert waiting.value.timeout is not None
    assert waiting.value.timeout.total_seconds() == 7200


def test_an_answer_whose_question_the_ledger_has_lost_is_asked_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run.ask(monkeypatch)
    run.lifecycle.sql("DROP SCHEMA partition_lifecycle CASCADE")
    with pytest.raises(AirflowFailException, match=r"the ledger has lost the question .* start the DAG again to have it asked anew"):
        run.answer("Approve")


def test_what_a_name_holds_is_not_rendered(lifecycle: Lifecycle, monkeypatch: pytest.MonkeyPatch) -> None:
    name = 'app."{{ 7 }}|<b>`"'
    lifecycle.sql(f"ALTER TABLE {OLD} RENAME TO {name.partition('.')[2]}")
    run = Run(lifecycle)
    assert '| app.\\"\\{\\{ 7 \\}\\}\\|\\<b\\>\\`\\" | 2024-08-01' in run.ask(monkeypatch)["body"]
    assert run.answer("Approve")[0] == name
    run.detach(name)
    assert "dropped" in run.drop(name)
