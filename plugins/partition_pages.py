"""Pages that the package adds to Airflow's server: its documentation, for whoever may read Airflow's own there."""

from pathlib import Path

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from airflow.plugins_manager import AirflowPlugin
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors import anchors_plugin

PROJECT = Path(__file__).parents[1]
SERVED = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**/*.md", "docs/pictures/*")
"""Patterns below the project. Pages lie as their files do, so that links from one to another lead where they lead in the project."""

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }} table {{ border-collapse: collapse }}
td, th {{ border: 1px solid #bbb; padding: .3rem .6rem; vertical-align: top }} code, pre {{ background: #f3f3f3 }} img {{ max-width: 100% }}
pre {{ padding: .6rem; overflow-x: auto }}</style></head>
<body>{body}</body></html>"""

pages = FastAPI(title="Partition lifecycle", docs_url=None, redoc_url=None, openapi_url=None)


# Airflow leaves what a plugin adds open to everybody; each page asks for itself.
@pages.get("/{place:path}", dependencies=[Depends(requires_access_view(AccessView.DOCS))])
def document(place: str) -> Response:
    """A page of the documentation, or a picture in one: `docs/runbook.md`."""
    file = _documents().get(place)
    if file is None:
        raise HTTPException(404, f"{place} is not there: put the project's docs/ and README.md beside plugins/ where the API server runs")
    if file.suffix != ".md":
        return FileResponse(file)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table").use(anchors_plugin, max_level=4)
    return HTMLResponse(PAGE.format(title=file.stem, body=markdown.render(file.read_text())))


def _documents() -> dict[str, Path]:
    """What is served; looked up anew each time, so that nothing but these files can be asked for."""
    return {path.relative_to(PROJECT).as_posix(): path for pattern in SERVED for path in PROJECT.glob(pattern)}


class PartitionPages(AirflowPlugin):
    """Mounts the pages at `/partition-lifecycle`."""

    name = "partition_pages"
    fastapi_apps = [{"app": pages, "url_prefix": "/partition-lifecycle", "name": "Partition lifecycle"}]  # noqa: RUF012 - not to be changed
