"""Statements as they are shown: in the log while they run, and afterwards to whoever asks what ran."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from include.postgres.lookout import InfoLog

Fold = Callable[[str], AbstractContextManager[object]]
"""Lets what is logged within its block be folded up below a title, where whoever shows the log can do so."""


def unfolded(_: str) -> AbstractContextManager[object]:
    """Leave the lines as they are."""
    return nullcontext()


class StatementLog:
    """Logs statements, and keeps them.

    :param kept: where they are kept; with those of another log, for instance.
    :ivar kept: every statement shown, in order; one that was tried again is there again.
    """

    def __init__(self, log: InfoLog, fold: Fold = unfolded, *, kept: list[str] | None = None) -> None:
        self.kept = [] if kept is None else kept
        self.fold = fold
        self._log = log

    def show(self, statement: str) -> None:
        """Show one that is about to run."""
        self.kept.append(statement)
        self._log.info("%s", statement)
