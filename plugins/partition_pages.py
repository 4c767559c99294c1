"""Pages that the package adds to Airflow's server: the runbook, for whoever may read Airflow's own documentation there."""

from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import HTMLResponse
from markdown_it import MarkdownIt

RUNBOOK = Path(__file__).parents[1] / "docs" / "runbook.md"

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Runbook</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }} table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #bbb; padding: .3rem .6rem; vertical-align: top }} code, pre {{ background: #f3f3f3 }}</style></head>
<body>{body}</body></html>"""

pages = FastAPI(title="Partition lifecycle", docs_url=None, redoc_url=None, openapi_url=None)


# Airflow leaves what a plugin adds open to everybody; each page asks for itself.
@pages.get("/runbook", dependencies=[Depends(requires_access_view(AccessView.DOCS))])
def runbook() -> HTMLResponse:
    """What to do about each message."""
    if not RUNBOOK.exists():
        raise HTTPException(404, f"{RUNBOOK} is not there: put the project's docs/ beside plugins/ where the API server runs")
    return HTMLResponse(PAGE.format(body=MarkdownIt("commonmark", {"html": False}).enable("table").render(RUNBOOK.read_text())))


class PartitionPages(AirflowPlugin):
    """Mounts the pages at `/partition-lifecycle`."""

    name = "partition_pages"
    fastapi_apps = [{"app": pages, "url_prefix": "/partition-lifecycle", "name": "Partition lifecycle"}]  # noqa: RUF012 - not to be changed
