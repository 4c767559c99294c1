"""`make down`: stop what `make up` started, also half of it, also while it starts; no process stays behind."""

import argparse
import signal
import sys
from pathlib import Path

from demo.installation import FOLDER
from demo.processes import Background
from demo.turn import taken

PATIENCE = {"scheduler": 20.0, "postgresql": 60.0}
"""Seconds until a process is killed. The scheduler waits for its running tasks; every step can be killed, and run again."""


def main() -> int:
    """Stop everything, or say that nothing runs."""
    parser = argparse.ArgumentParser(prog="python -m demo.down", description=__doc__)
    parser.add_argument("--folder", type=lambda text: Path(text).absolute(), default=FOLDER, help="where everything lies")
    folder: Path = parser.parse_args().folder
    stopped = []
    if folder.exists():
        with taken(folder, by_force=60):
            stopped = stop_all(Background(folder))
    print(f"stopped: {', '.join(stopped)}" if stopped else "nothing was running")
    return 0


def stop_all(background: Background) -> list[str]:
    """Stop every process of the folder, the last started first, so that each still has what it needs to end well; returns who ran."""
    return [name for name in reversed(background.known()) if background.stop(name, PATIENCE.get(name, 10.0), _signal_for(name))]


def _signal_for(name: str) -> signal.Signals:
    """PostgreSQL would wait for its clients on SIGTERM; on SIGINT it sends them away and still writes everything down."""
    return signal.SIGINT if name == "postgresql" else signal.SIGTERM


if __name__ == "__main__":
    sys.exit(main())
