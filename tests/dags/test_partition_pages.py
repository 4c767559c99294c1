"""The plugin's pages, asked for over HTTP as nobody, as one who may, and where the documentation is missing."""

import posixpath
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from airflow.api_fastapi.app import create_app
from fastapi import HTTPException
from fastapi.testclient import TestClient

import partition_pages
from demo import local_airflow

AT = "/partition-lifecycle"
RUNBOOK = f"{AT}/docs/runbook.md"


@pytest.fixture(scope="module")
def server() -> TestClient:
    """Airflow's real API server, with its plugins."""
    local_airflow.migrate_metadata()
    return TestClient(create_app("core"))


def headers(client: TestClient, role: str) -> dict[str, str]:
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    return {"Authorization": f"Bearer {get_auth_manager().generate_jwt(SimpleAuthManagerUser(username='ana', role=role))}"}


def test_nobody_reads_the_runbook_without_a_login(server: TestClient) -> None:
    assert server.get(RUNBOOK).status_code == 401
    assert server.get(RUNBOOK, headers={"Authorization": "Bearer made-up"}).status_code == 403


def test_a_viewer_reads_it_as_a_page(server: TestClient) -> None:
    answer = server.get(RUNBOOK, headers=headers(server, "viewer"))
    assert answer.status_code == 200
    assert "<table>" in answer.text


def test_every_link_leads_to_a_page_and_to_a_heading_in_it(server: TestClient) -> None:
    """Also a guard of the documentation itself."""
    client, ids = headers(server, "viewer"), dict[str, set[str]]()
    found = list[tuple[str, str]]()
    for place in partition_pages._documents():
        if place.endswith(".md"):
            text = server.get(f"{AT}/{place}", headers=client).text
            ids[place] = set(re.findall(r'<h\d id="([^"]+)"', text))
            found += [(place, target) for target in re.findall(r'(?:href|src)="([^"]+)"', text) if not target.startswith("http")]
    assert len(found) > 50
    wrong = [f"{place}: {target}" for place, target in found if not leads_somewhere(place, target, ids)]
    assert wrong == []


def leads_somewhere(place: str, target: str, ids: dict[str, set[str]]) -> bool:
    path, _, heading = unquote(target).partition("#")
    there = posixpath.normpath(posixpath.join(posixpath.dirname(place), path)) if path else place
    if there in ids:
        return not heading or heading in ids[there]
    if place == "docs/runbook.md":
        return False  # whoever reads it on Airflow's server has nothing else
    return (partition_pages.PROJECT / there).exists()  # a file of the code, or a folder: on the project's own page only


def test_a_picture_is_served_too_and_nothing_else_of_the_project_is(server: TestClient) -> None:
    client = headers(server, "viewer")
    assert server.get(f"{AT}/docs/pictures/run.png", headers=client).headers["content-type"] == "image/png"
    for place in (
        "Makefile",
        "include/policies/decision_record_005.yaml",
        "docs/../Makefile",
        "docs/%2e%2e/Makefile",
        "%2fetc%2fpasswd",
        "",
    ):
        answer = server.get(f"{AT}/{place}", headers=client)
        assert answer.status_code == 404, place
        assert "beside plugins/" in answer.json()["detail"]


def test_nobody_sees_a_picture_without_a_login(server: TestClient) -> None:
    assert server.get(f"{AT}/docs/pictures/run.png").status_code == 401


def test_a_server_without_the_documentation_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(partition_pages, "PROJECT", tmp_path)
    with pytest.raises(HTTPException, match="beside plugins/") as missing:
        partition_pages.document("docs/runbook.md")
    assert missing.value.status_code == 404


def test_every_page_asks_for_permission() -> None:
    routes = [route for route in partition_pages.pages.routes if hasattr(route, "dependencies")]
    assert routes
    assert all(route.dependencies for route in routes)
