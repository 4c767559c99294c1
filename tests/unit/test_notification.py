"""What a message says of a run."""

from include.partitioning.notification import Notification, failures_of_run
from include.partitioning.notify import Occasion


def event(
    task_id: str, outcome: str = "failed", map_index: int = -1, detail: str = "why", partition: str | None = None
) -> dict[str, object]:
    return {"task_id": task_id, "map_index": map_index, "outcome": outcome, "detail": detail, "partition": partition, "parent": "core.t"}


def test_a_task_that_failed_three_times_is_named_once_with_its_last_message_and_one_that_succeeded_at_last_is_not() -> None:
    events = [event("a", detail="first"), event("a", detail="last"), event("b"), event("b", "done")]
    assert [str(each) for each in failures_of_run({"a": "failed", "b": "success"}, events)] == ['a "core.t": last']


def test_instances_of_a_mapped_task_are_told_apart_and_named_with_their_partition() -> None:
    events = [event("x", "refused", 0, partition="core.t_p1"), event("x", "failed", 1, partition="core.t_p2")]
    found = failures_of_run({"x_0": "failed", "x_1": "success", "y_0": "upstream_failed"}, events)
    assert [str(each) for each in found] == ['x_0 "core.t_p1": why']


def test_a_failure_that_the_ledger_does_not_know_points_to_the_log_and_the_report_is_named_only_if_it_failed_alone() -> None:
    assert [str(each) for each in failures_of_run({"report": "failed", "z": "failed"}, [])] == ["z: its log says why"]
    assert [str(each) for each in failures_of_run({"report": "failed", "z": "success"}, [])] == ["report: its log says why"]


def test_where_the_states_are_not_known_the_ledger_says_what_failed() -> None:
    assert [each.task for each in failures_of_run(None, [event("a"), event("c", "done")])] == ["a"]


def test_the_text_has_the_subject_a_line_for_each_problem_and_the_link() -> None:
    said = Notification(Occasion.FAILURE, "it failed", ("one", "two\n  lines"), link="http://airflow/run")
    assert said.text == "it failed\n- one\n- two lines\nhttp://airflow/run"
