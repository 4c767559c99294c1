"""A notifier that a policy can name, and what it was given to say."""

from typing import Any

from airflow.sdk import BaseNotifier

SAID: list[str] = []


class Recording(BaseNotifier):
    """Keeps what it is to say in `SAID`."""

    template_fields = ("text",)

    def __init__(self, *, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, _context: Any) -> None:
        """Nobody is told."""
        SAID.append(self.text)


RECORDING = {"notifier": f"{Recording.__module__}.{Recording.__qualname__}"}
