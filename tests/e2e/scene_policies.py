"""The policy file of all scenes, of which each may change its own part while the others run."""

import threading
from pathlib import Path

import yaml


class ScenePolicies:
    """A policy for each table; written as a whole at each change, in one step, because Airflow reads it all the time."""

    def __init__(self, file: Path, archive: Path) -> None:
        self.file = file
        self.archive = archive
        self.by_table: dict[str, dict[str, object]] = {}
        self.lock = threading.Lock()

    def set(self, table: str, **keys: object) -> None:
        with self.lock:
            self.by_table[table] = keys
            self._write()

    def remove(self, table: str) -> None:
        with self.lock:
            del self.by_table[table]
            self._write()

    def _write(self) -> None:
        defaults = {"partition_key": "created_at", "premake": 1, "archive": {"path": f"file://{self.archive}"}, "lock_attempts": 2}
        policies = [{"table": f"runs.{table}", **keys} for table, keys in self.by_table.items()]
        draft = self.file.with_suffix(".draft")
        draft.write_text(yaml.safe_dump({"defaults": defaults, "policies": policies}))
        draft.rename(self.file)
