"""docker-compose.yml as a test reads it: variables filled in as Compose does, and each service as a value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.local_airflow import PROJECT

FILE = PROJECT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>\w+)(?::(?P<how>[-?])(?P<rest>[^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Service:
    """One service, with what a test needs of it.

    :param check: the words of its health check, of which the first is CMD or CMD-SHELL; empty if it has none.
    :param mounts: what is mounted where, `source:target[:ro]`.
    """

    name: str
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    check: tuple[str, ...]
    mounts: tuple[str, ...]
    settings: Mapping[str, Any]


class MissingVariableError(Exception):
    """A variable without which Compose would not start."""


def services(variables: Mapping[str, str], file: Path = FILE) -> dict[str, Service]:
    """The services by name.

    :raises MissingVariableError: with what the file says about it.
    """
    document = yaml.safe_load(filled_in(file.read_text(), variables))
    return {name: _service(name, settings) for name, settings in document["services"].items()}


def filled_in(text: str, variables: Mapping[str, str]) -> str:
    """`${NAME}`, `${NAME:-default}` and `${NAME:?what to do}` replaced, and `$$` by a dollar."""

    def value(found: re.Match[str]) -> str:
        if found["dollar"]:
            return "$"
        if variables.get(found["name"]):
            return variables[found["name"]]
        if found["how"] == "-":
            return str(found["rest"])
        raise MissingVariableError(f"{found['name']}: {found['rest']}")

    return _VARIABLE.sub(value, text)


def variables_of(text: str) -> dict[str, str]:
    """The assignments of an `.env` file."""
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def _service(name: str, settings: Mapping[str, Any]) -> Service:
    return Service(
        name,
        settings["image"],
        tuple(settings.get("command", ())),
        {key: str(value) for key, value in settings.get("environment", {}).items()},
        tuple(settings.get("healthcheck", {}).get("test", ())),
        tuple(settings.get("volumes", ())),
        settings,
    )
