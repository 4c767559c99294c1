"""The plugin's pages, asked for over HTTP as nobody, as one who may, and where the documentation is missing."""

from pathlib import Path

import pytest
from airflow.api_fastapi.app import create_app
from fastapi import HTTPException
from fastapi.testclient import TestClient

import partition_pages
from demo import local_airflow

RUNBOOK = "/partition-lifecycle/runbook"


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


def test_a_server_without_the_documentation_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(partition_pages, "RUNBOOK", tmp_path / "runbook.md")
    with pytest.raises(HTTPException, match="beside plugins/") as missing:
        partition_pages.runbook()
    assert missing.value.status_code == 404


def test_every_page_asks_for_permission() -> None:
    routes = [route for route in partition_pages.pages.routes if hasattr(route, "dependencies")]
    assert routes
    assert all(route.dependencies for route in routes)
