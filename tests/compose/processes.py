"""Services of docker-compose.yml as processes of this machine: their very commands, environments and mounts, with other hosts and ports."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from demo.local_airflow import PROJECT
from tests.compose.compose_file import Service

BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Places:
    """Where on this machine is what the file has elsewhere: regular expressions and what takes their place, in this order."""

    replaced: tuple[tuple[str, str], ...]

    def here(self, text: str) -> str:
        for pattern, place in self.replaced:
            text = re.sub(pattern, lambda found, place=place: found.expand(place), text)  # type: ignore[misc]  # the default binds the loop's value
        return text


@dataclass
class Machine:
    """Processes in one folder, which is `/opt/airflow` to them; whatever happens, none outlives the block.

    :param added: environment that only the test needs, by service; `*` for all.
    """

    folder: Path
    places: Places
    added: Mapping[str, Mapping[str, str]]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for name in list(self.running):
            self.kill(name)

    @property
    def home(self) -> Path:
        return self.folder / "opt-airflow"

    def mount(self, service: Service) -> None:
        """A link for each folder of the project, and a folder for each volume."""
        self.home.mkdir(exist_ok=True)
        for source, target in (mount.split(":")[:2] for mount in service.mounts):
            here = Path(self.places.here(target))
            if here.exists():
                continue
            here.parent.mkdir(parents=True, exist_ok=True)
            if source.startswith((".", "/")):
                here.symlink_to((PROJECT / source).resolve())
            else:
                here.mkdir()

    def start(self, service: Service) -> None:
        """As Docker would; what it prints goes to `<folder>/<name>.log`."""
        self.mount(service)
        with self.log(service.name).open("ab") as log:
            self.running[service.name] = subprocess.Popen(
                self._command(service), env=self._environment(service), cwd=self.home, stdout=log, stderr=log, start_new_session=True
            )

    def run(self, service: Service) -> None:
        """To its end, which must be a good one."""
        self.start(service)
        assert self.running.pop(service.name).wait(300) == 0, self.log(service.name).read_text()[-5000:]

    def wait_until_healthy(self, service: Service, seconds: float) -> None:
        """By its own health check."""
        until = time.monotonic() + seconds
        while not self.is_healthy(service):
            process = self.running[service.name]
            assert process.poll() is None, f"{service.name} ended: {self.log(service.name).read_text()[-5000:]}"
            assert time.monotonic() < until, f"{service.name} is not healthy: {self.log(service.name).read_text()[-5000:]}"
            time.sleep(0.5)

    def is_healthy(self, service: Service) -> bool:
        """What its health check says now."""
        kind, *words = service.check
        words = [self.places.here(word) for word in words]
        command = ["sh", "-c", *words] if kind == "CMD-SHELL" else words
        done = subprocess.run(command, env=self._environment(service), cwd=self.home, capture_output=True, check=False, timeout=60)
        return done.returncode == 0

    def kill(self, name: str) -> None:
        """As a power cut kills a container: every process of it at once, also those that made a group of their own."""
        process = self.running.pop(name)
        try:
            everything = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        except psutil.NoSuchProcess:
            return
        for each in everything:
            try:
                each.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        process.wait()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _command(self, service: Service) -> list[str]:
        """The image's entry point puts `airflow` before everything but a shell and Python."""
        command = [self.places.here(word) for word in service.command]
        return command if command[0] in {"bash", "sh", "python"} else ["airflow", *command]

    def _environment(self, service: Service) -> dict[str, str]:
        """That of the file, and of this process only what any program needs: its own Airflow settings must not reach the services."""
        here = {name: self.places.here(value) for name, value in service.environment.items()}
        machine = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(self.folder), "LANG": "C.UTF-8", "AIRFLOW_HOME": str(self.home)}
        added = {**self.added.get("*", {}), **self.added.get(service.name, {})}
        if "PYTHONPATH" in here:
            added["PYTHONPATH"] = f"{here['PYTHONPATH']}:{PROJECT}"  # behind its own; for tests.compose.host_name only
        return {**machine, **here, **added, "SERVICE_HOSTNAME": service.name}
