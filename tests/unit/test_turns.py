"""Who measures has the machine to itself, and need not wait for ever."""

import threading
from pathlib import Path

from tests.turns import turn


class Visitor:
    """Takes a turn in a thread of its own, and stays until it is told to go."""

    def __init__(self, folder: Path, *, alone: bool = False) -> None:
        self.entered, self.may_go = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._visit, args=(folder, alone))
        self._thread.start()

    def _visit(self, folder: Path, alone: bool) -> None:
        with turn(folder, alone=alone):
            self.entered.set()
            self.may_go.wait(10)

    def is_inside(self) -> bool:
        return self.entered.wait(0.2)

    def go(self) -> None:
        self.may_go.set()
        self._thread.join()


def test_others_run_beside_each_other(tmp_path: Path) -> None:
    first, second = Visitor(tmp_path), Visitor(tmp_path)
    assert first.is_inside()
    assert second.is_inside()
    first.go()
    second.go()


def test_who_wants_to_be_alone_waits_until_the_others_are_gone_and_lets_no_one_in_before(tmp_path: Path) -> None:
    early = Visitor(tmp_path)
    assert early.is_inside()
    alone = Visitor(tmp_path, alone=True)
    assert not alone.is_inside()
    late = Visitor(tmp_path)
    assert not late.is_inside()
    early.go()
    assert alone.is_inside()
    assert not late.is_inside()
    alone.go()
    assert late.is_inside()
    late.go()
