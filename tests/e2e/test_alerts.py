"""Runs by real Airflow on real PostgreSQL that tell a real web server and a real mail server how they ended."""

import html
import json
from collections.abc import Iterator
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from demo import local_airflow
from demo.migrate import migrate
from tests.databases import fresh_database, template_database
from tests.e2e.receivers import mailbox, webhook

DAG = "partition_lifecycle.core.sessions"
HTTP = {"notifier": "airflow.providers.http.notifications.http.HttpNotifier", "arguments": {"http_conn_id": "chat", "endpoint": "hook"}}
SMTP = {
    "notifier": "airflow.providers.smtp.notifications.smtp.SmtpNotifier",
    "arguments": {"smtp_conn_id": "mail", "from_email": "airflow@example.org", "to": "dba@example.org"},
}
NOBODY = {"notifier": "no_such_provider.notifications.Notifier"}


@pytest.fixture(scope="module", autouse=True)
def metadata() -> None:
    """Airflow's own tables."""
    local_airflow.migrate_metadata()


@pytest.fixture(scope="module")
def template(server: str) -> Iterator[str]:
    """Name of a seeded database; each test gets a copy."""
    with template_database(server, partial(migrate, rows=280)) as name:
        yield name


@pytest.fixture
def uri(server: str, template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with fresh_database(server, template) as found:
        monkeypatch.setenv("AIRFLOW_CONN_E2E", found)
        yield found


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    with webhook() as (address, received):
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "host": address, "password": "hunter2-the-secret"}))
        yield received


@pytest.fixture
def mail(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Message]]:
    with mailbox() as (port, received):
        extra = {"disable_ssl": True, "disable_tls": True}
        monkeypatch.setenv("AIRFLOW_CONN_MAIL", json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}))
        yield received


@pytest.fixture
def policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the policy, with whatever a test adds."""
    monkeypatch.setenv("PARTITION_POLICIES", str(tmp_path / "policies.yaml"))

    def write(**changes: Any) -> None:
        policy = {
            "table": "core.sessions",
            "partition_key": "created_at",
            "retention": "24 months",
            "archive": {"path": f"file://{tmp_path}/archive"},
            "postgres_conn_id": "e2e",
            **changes,
        }
        (tmp_path / "policies.yaml").write_text(yaml.safe_dump({"policies": [policy]}))

    return write


def obstruct(uri: str, folder: Path) -> str:
    """Put a file where the archive of the oldest partition must go; that partition's name."""
    with psycopg.connect(uri) as connection:
        found = connection.execute("SELECT min(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'core.sessions'::regclass")
        name = str(found.fetchall()[0][0])
    in_the_way = folder / "archive" / "core.sessions" / name.removeprefix("core.")
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("")
    return name


def test_a_run_that_fails_is_one_message_to_each_notifier_with_what_failed_and_why(
    uri: str, chat: list[dict[str, Any]], mail: list[Message], policies: Any, tmp_path: Path
) -> None:
    policies(notify={"on_failure": [HTTP, NOBODY, SMTP], "on_success": [HTTP]})
    partition = obstruct(uri, tmp_path)
    outcome = local_airflow.run_dag(DAG)
    assert {task for task, state in outcome.tasks.items() if state == "failed"} == {"expire.archive_partition[0]", "report"}
    (said,) = chat
    assert (said["occasion"], said["table"], said["run_id"]) == ("on_failure", "core.sessions", outcome.run_id)
    assert said["subject"] == f'partition lifecycle of "core.sessions": the run {outcome.run_id} failed'
    assert f'expire.archive_partition_0 "{partition}": ' in said["text"]
    assert said["text"].count("expire.archive_partition_0") == 1
    assert "hunter2" not in str(said)
    assert outcome.plan is not None
    assert sum("install its provider wherever Airflow runs" in finding for finding in outcome.plan["findings"]) == 1
    (letter,) = mail
    assert (letter["To"], letter["Subject"]) == ("dba@example.org", said["subject"])
    (page,) = [part for part in letter.walk() if part.get_content_type() == "text/html"]
    shown = bytes(page.get_payload(decode=True)).decode()
    assert html.unescape(shown) == f"<pre>{said['text']}</pre>"


def test_the_alarm_tells_each_once_until_a_run_that_says_so_has_done_what_was_missing(
    uri: str, chat: list[dict[str, Any]], mail: list[Message], policies: Any
) -> None:
    policies(notify={"on_failure": [SMTP], "on_success": [HTTP], "on_alarm": [HTTP, HTTP]})
    assert local_airflow.run_dag("partition_alarm").tasks == {"policy_files": "success", "database[0]": "failed"}
    said = chat.pop()
    assert (said["occasion"], said["subject"]) == ("on_alarm", 'partition alarm on "e2e": 3 problems, the worst is critical')
    assert "- CRITICAL core.sessions: 0 of 3 upcoming partitions are there" in said["text"]
    assert "- WARNING core.sessions: no run has succeeded since " in said["text"]
    assert chat == []
    assert local_airflow.run_dag(DAG).state == "success"
    (said,) = chat
    assert said["subject"].endswith("succeeded")
    assert "- create done: 3" in said["text"]
    assert local_airflow.run_dag("partition_alarm").state == "success"
    assert (len(chat), mail) == (1, [])
