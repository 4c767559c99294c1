"""Whom a policy tells of what: Airflow notifiers by their import paths. That they can be imported only Airflow can tell."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue

from include.partitioning.fields import refusal
from include.partitioning.frozen import Frozen

_SECRET = re.compile(r"passw|secret|token|api_?key|private_?key|credential|authorization", re.IGNORECASE)


class Occasion(StrEnum):
    """What somebody is told of; the values are keys of `notify`."""

    FAILURE = "on_failure"
    SUCCESS = "on_success"
    DEADLINE = "on_deadline"
    ALARM = "on_alarm"


def _class_path(value: str) -> str:
    parts = value.split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise refusal(f'"{value}" is not the path of a class, module and name with dots between')
    return value


def _without_secrets(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if "context" in value:
        raise refusal("context is given by Airflow; remove it")
    for name, item in _leaves(dict(value)):
        if _SECRET.search(name):
            raise refusal(f'"{name}" looks like a secret, and this file is no place for one; put it into an Airflow connection')
        if isinstance(item, str) and "://" in item and urlsplit(item).password is not None:
            raise refusal(f'"{name}" is an address with a password in it; put it into an Airflow connection')
    return value


def _leaves(value: JsonValue, path: str = "") -> Iterator[tuple[str, JsonValue]]:
    """Every value that holds no others, by its path."""
    match value:
        case dict():
            for name, item in value.items():
                yield from _leaves(item, f"{path}.{name}" if path else name)
        case list():
            for item in value:
                yield from _leaves(item, path)
        case _:
            yield path, value


class NotifierPolicy(Frozen):
    """One notifier, as Airflow is to build it."""

    notifier: Annotated[str, AfterValidator(_class_path)] = Field(
        description="Import path of a notifier's class, from a provider that is installed, or of your own.",
        examples=["airflow.providers.smtp.notifications.smtp.SmtpNotifier"],
    )
    arguments: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(
        {},
        description="Its arguments, connections by their ids; no secrets. Templates may use {{ notification.subject }} and {{ notification.text }}.",
        examples=[{"smtp_conn_id": "mail", "to": "dba@example.org"}],
    )


_WHOM = [{"notifier": "airflow.providers.http.notifications.http.HttpNotifier", "arguments": {"http_conn_id": "chat"}}]


class NotifyPolicy(Frozen):
    """Who is told of what happens to a table."""

    on_failure: tuple[NotifierPolicy, ...] = Field((), description="When a run has failed: one message per run.", examples=[_WHOM])
    on_success: tuple[NotifierPolicy, ...] = Field((), description="When a run has succeeded.", examples=[_WHOM])
    on_deadline: tuple[NotifierPolicy, ...] | None = Field(
        None, description="When a run is not done by the `deadline`. Omitted: those of on_failure.", examples=[_WHOM]
    )
    on_alarm: tuple[NotifierPolicy, ...] | None = Field(
        None, description="When the DAG partition_alarm finds something wrong. Omitted: those of on_failure.", examples=[_WHOM]
    )

    def whom(self, occasion: Occasion) -> tuple[NotifierPolicy, ...]:
        """The notifiers for an occasion."""
        given: tuple[NotifierPolicy, ...] | None = getattr(self, occasion.value)
        return self.on_failure if given is None else given
