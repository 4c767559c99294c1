"""The forms behind the button "Trigger", of one run and of a backfill, in a real browser. Skipped without one, unless BROWSER_TESTS=required says that there must be one."""

import importlib.util
import os
from datetime import date
from typing import TYPE_CHECKING

import pytest

from demo.installation import USER, Installation
from tests.e2e.cast import Part
from tests.e2e.scenes import Scene, month

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def the_form_refuses_nonsense_and_passes_on_what_was_filled_in(scene: Scene) -> None:
    needs_a_browser()
    from demo.browser import logged_in  # not without playwright, which may be missing

    installation = Installation(scene.folder)
    scene.pause(False)
    with logged_in(installation.url, USER, installation.password()) as page:
        form = opened(page, scene)
        write_configuration(page, form, '{"reference_date": "yesterday", "dry_run": false}')
        page.get_by_test_id("trigger-dag-submit").click()
        page.get_by_text("'yesterday' is not a 'date'").first.wait_for()
        assert scene.all_runs() == []

        form = opened(page, scene)
        form.locator("input[name=element_reference_date]").fill(str(month(-1)))
        form.locator("input[name=element_dry_run]").evaluate("box => box.click()")  # what is to be seen of it lies above it
        page.get_by_test_id("trigger-dag-submit").click()
        scene.until(scene.all_runs, "the run that was asked for")
    (run,) = scene.all_runs()
    assert run["conf"] == {"reference_date": str(month(-1)), "dry_run": True}
    assert scene.ended(run["dag_run_id"]) == "success"
    assert f"as of {month(-1)}T00:00:00+00:00 (dry run)" in scene.log(run["dag_run_id"], "plan")
    scene.ends_with(-8, 0)


def the_backfill_form_unpauses_the_dag_and_runs_the_months_that_were_filled_in(scene: Scene) -> None:
    needs_a_browser()
    from demo.browser import logged_in  # not without playwright, which may be missing

    installation = Installation(scene.folder)
    with logged_in(installation.url, USER, installation.password()) as page:
        opened(page, scene)
        form = page.get_by_role("dialog").filter(has_text="Single Run")  # it has another title once it is about a backfill
        form.get_by_text("Backfill", exact=True).first.click()
        choose_day(page, form, 0, month(-2))
        choose_day(page, form, 1, month(-1))
        form.get_by_text("All Runs").click()
        form.get_by_text("Run Backwards").click()
        form.get_by_text("2 runs will be triggered.").wait_for()
        form.get_by_role("button", name="Run Backfill").click()
        page.get_by_text("Backfill generated").wait_for()
    (asked,) = scene.api.get("backfills", dag_id=scene.dag_id)["backfills"]
    assert (asked["from_date"][:10], asked["to_date"][:10]) == (str(month(-2)), str(month(-1)))
    runs = scene.backfilled(int(asked["id"]))
    assert [(run["logical_date"][:10], run["state"]) for run in runs] == [(str(month(offset)), "success") for offset in (-1, -2)]
    assert scene.ended(scene.scheduled()) == "success"
    scene.ends_with(-7, 1)


def choose_day(page: "Page", form: "Locator", number: int, day: date) -> None:
    """In the first or second of the form's calendars; midnight, UTC."""
    form.get_by_test_id("datetime-input").nth(number).click()
    calendar = page.locator("[data-scope=popover][data-part=content][data-state=open]")
    calendar.get_by_placeholder("YYYY/MM/DD").fill(f"{day:%Y/%m/%d}")
    calendar.get_by_placeholder("HH:mm").fill("00:00")
    calendar.get_by_placeholder("HH:mm").press("Enter")
    page.keyboard.press("Escape")
    calendar.wait_for(state="detached")


def opened(page: "Page", scene: Scene) -> "Locator":
    page.goto(f"/dags/{scene.dag_id}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog").filter(has_text="Trigger Dag")
    form.get_by_text("Reference date").wait_for()
    return form


def write_configuration(page: "Page", form: "Locator", text: str) -> None:
    form.get_by_text("Advanced Options").click()
    form.locator(".monaco-editor .view-lines").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+Shift+End")  # the quotes and brackets that the editor has closed by itself
    page.keyboard.press("Delete")


def needs_a_browser() -> None:
    lacks = what_lacks()
    if lacks and os.environ.get("BROWSER_TESTS") == "required":
        pytest.fail(f"BROWSER_TESTS=required, and there is no {lacks}")
    if lacks:
        pytest.skip(f"there is no {lacks}; with it the form is tried as well")


def what_lacks() -> str | None:
    if importlib.util.find_spec("playwright") is None:
        return "playwright: pip install -r requirements-dev.txt"
    from demo.browser import chromium  # not without playwright

    return None if chromium() else "Chromium: apt-get install chromium, or say in CHROMIUM where it is"


PARTS = [
    Part(the_form_refuses_nonsense_and_passes_on_what_was_filled_in, {"retention": "7 months", "schedule": None}),
    Part(the_backfill_form_unpauses_the_dag_and_runs_the_months_that_were_filled_in, {"retention": "7 months"}, missing=(-2,)),
]
