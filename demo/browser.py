"""Airflow's UI in a headless Chromium that the machine has; playwright only drives it, and brings no browser of its own."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 60_000
"""Milliseconds. On a machine that is busy with Airflow a page may take long."""


def chromium() -> str | None:
    """Path of the browser: what CHROMIUM says, else the first that is on the PATH."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def logged_in(url: str, user: str, password: str, *, width: int = 1400, height: int = 900) -> Iterator[Page]:
    """A page that has gone through the login form. Paths given to it are below `url`."""
    with sync_playwright() as playwright:
        # A sandbox within the sandbox that a container is needs rights which containers do not give; only our own pages are opened.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu", "--no-proxy-server"])
        context = browser.new_context(base_url=url, viewport={"width": width, "height": height}, locale="en-GB", timezone_id="UTC")
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.goto("/")
        page.locator("input[name=username]").fill(user)
        page.locator("input[name=password]").fill(password)
        page.locator("button[type=submit]").click()
        page.wait_for_url(lambda address: "login" not in address)
        yield page
        browser.close()
