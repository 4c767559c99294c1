"""Building notifiers of Airflow's providers from a policy, and what a DAG gets from one."""

import asyncio
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from include.partitioning.errors import BadArgumentError, NotToldError
from include.partitioning.notification import Notification
from include.partitioning.notify import NotifierPolicy, NotifyPolicy, Occasion
from partition_operators.notifiers import build, tell, tell_async, unusable

HERE = f"{__name__}"
SAID: list[tuple[str, str]] = []
MESSAGE = Notification(Occasion.FAILURE, "the subject", ("{{ 1 + 1 }} <b>",), "core.sessions")


class Recording(BaseNotifier):
    """Keeps what it is to say."""

    template_fields = ("text", "title")

    def __init__(self, *, text: str, title: str = "", channel: str = "") -> None:
        super().__init__()
        self.text, self.title, self.channel = text, title, channel

    def notify(self, _context: Any) -> None:
        SAID.append((self.title, self.text))


class Awaited(Recording):
    async def async_notify(self, _context: Any) -> None:
        SAID.append(("awaited", self.text))


class Broken(BaseNotifier):
    def notify(self, _context: Any) -> None:
        raise RuntimeError("the line is dead")


def entry(name: str, **arguments: Any) -> NotifierPolicy:
    return NotifierPolicy(notifier=name if "." in name and name != HERE else f"{HERE}.{name}", arguments=arguments)


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    SAID.clear()
    monkeypatch.setitem(sys.modules, HERE, sys.modules[Recording.__module__])


def test_a_notifier_gets_the_message_in_the_arguments_that_it_has_for_one_and_it_is_not_rendered_again() -> None:
    tell(MESSAGE, [entry("Recording", channel="#dba")], {})
    assert SAID == [("the subject", "the subject\n- {{ 1 + 1 }} <b>")]


def test_what_the_policy_gives_goes_first_and_may_use_the_message() -> None:
    tell(MESSAGE, [entry("Recording", text="{{ notification.table }}: look")], {})
    assert SAID == [("the subject", "core.sessions: look")]


def test_one_that_cannot_say_it_keeps_no_other_from_saying_it_and_is_named() -> None:
    with pytest.raises(NotToldError, match=r"Broken: the line is dead; nowhere\.Notifier: .*install its provider"):
        tell(MESSAGE, [entry("Broken"), entry("nowhere.Notifier"), entry("Recording")], {})
    assert len(SAID) == 1


def test_in_the_triggerer_a_notifier_is_awaited_if_it_can_be_and_else_runs_in_a_thread() -> None:
    with pytest.raises(NotToldError, match="the line is dead"):
        asyncio.run(tell_async(MESSAGE, [entry("Broken"), entry("Awaited"), entry("Recording")], {}))
    assert [title for title, _ in SAID] == ["awaited", "the subject"]


def test_a_webhook_gets_json_of_which_nothing_is_rendered_twice() -> None:
    made: Any = build(entry("airflow.providers.http.notifications.http.HttpNotifier", http_conn_id="chat"))
    made.render_template_fields({"notification": MESSAGE})
    assert made.json == {
        "text": MESSAGE.text, "subject": "the subject", "occasion": "on_failure", "table": "core.sessions", "dag_id": "", "run_id": "", "link": "",
    }  # fmt: skip
    assert build(entry("airflow.providers.http.notifications.http.HttpNotifier", data="mine")).json is None  # type: ignore[attr-defined]  # BaseNotifier has no such field, this one has


def test_a_mail_gets_subject_and_escaped_text() -> None:
    made: Any = build(entry("airflow.providers.smtp.notifications.smtp.SmtpNotifier", to="dba@example.org"))
    made.render_template_fields({"notification": MESSAGE})
    assert (made.subject, made.html_content) == ("the subject", "<pre>the subject\n- {{ 1 + 1 }} &lt;b&gt;</pre>")


@pytest.mark.parametrize(
    ("name", "arguments", "wrong"),
    [
        ("nowhere.Notifier", {}, "cannot be imported: No module named 'nowhere'"),
        ("airflow.sdk.NoSuchNotifier", {}, "cannot be imported"),
        ("airflow.sdk.DAG", {}, "is not the class of an Airflow notifier"),
        ("Recording", {"chanel": "#dba"}, "does not take the arguments that the policy gives: .*chanel"),
    ],
)
def test_what_is_wrong_with_a_notifier_is_said_once_without_calling_it(name: str, arguments: dict[str, Any], wrong: str) -> None:
    bad = entry(name, **arguments)
    (only,) = unusable(NotifyPolicy(on_failure=(bad, entry("Recording")), on_success=(bad,)))
    with pytest.raises(BadArgumentError, match=wrong):
        build(bad)
    assert bad.notifier in only
    assert SAID == []
