"""Runs that begin in different ways: by the schedule, by hand, as of another day, dry, with parameters that make no sense."""

from typing import Any

import httpx
import pytest

from tests.e2e.cast import Part
from tests.e2e.scenes import Scene, month


def a_scheduled_run_and_one_by_hand_without_a_logical_date(scene: Scene) -> None:
    by_hand = scene.trigger()
    scene.pause(False)
    assert scene.ended(scene.scheduled()) == "success"
    assert scene.ended(by_hand) == "success"
    # One of them found nothing to do any more, which is no failure.
    assert f"as of {scene.began:%Y-%m-%d}T" in scene.log(by_hand, "plan")
    assert f"as of {month(0)}T00:00:00" in scene.log(scene.scheduled(), "plan")
    scene.ends_with(-7, 1)


def runs_by_hand_as_of_other_days_and_dry(scene: Scene) -> None:
    scene.pause(False)
    assert scene.ended(scene.trigger(logical_date=month(-2).replace(day=15))) == "success"
    scene.ends_with(-7, 0)

    assert scene.ended(scene.trigger(reference_date=str(month(-1).replace(day=15)))) == "success"
    scene.ends_with(-6, 0)

    dry = scene.trigger(dry_run=True)
    assert scene.ended(dry) == "success"
    assert scene.tasks(dry)["expire.archive_partition[0]"] == "success"
    assert "DETACH PARTITION" in scene.log(dry, "expire.detach_partition", index=0)
    scene.ends_with(-6, 0)

    # A day that is to come: creates for then, and destroys what has expired by now.
    assert scene.ended(scene.trigger(logical_date=month(-3), reference_date=str(month(2)))) == "success"
    scene.ends_with(-5, 3)


def parameters_that_make_no_sense_are_refused(scene: Scene) -> None:
    refused: list[dict[str, Any]] = [
        {"reference_date": "yesterday"},
        {"reference_date": "2026-13-45"},
        {"reference_date": 20261011},
        {"dry_run": "maybe"},
        {"dry_run": None},
    ]
    for conf in refused:
        with pytest.raises(httpx.HTTPStatusError) as caught:
            scene.trigger(**conf)
        assert caught.value.response.status_code == 400
        assert next(iter(conf)) in caught.value.response.text
    assert scene.all_runs() == []
    scene.ends_with(-8, 0)


PARTS = [
    Part(a_scheduled_run_and_one_by_hand_without_a_logical_date, {"retention": "7 months"}),
    Part(runs_by_hand_as_of_other_days_and_dry, {"retention": "5 months", "schedule": None}),
    Part(parameters_that_make_no_sense_are_refused, {"retention": "7 months", "schedule": None}),
]
