"""Two things at once: while one block is worked on, the next is fetched in a thread."""

import queue
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_CHECK_EVERY = 0.5
"""Seconds after which a fetcher that waits for room looks whether anybody still wants its blocks."""


class _Fetcher(Generic[T]):
    """Runs in the thread: fetches, and waits for room as long as anybody wants the items."""

    def __init__(self, source: Iterable[T], depth: int) -> None:
        self.ready: queue.Queue[T | _End] = queue.Queue(depth)
        self.unwanted = threading.Event()
        self._source = source

    def run(self) -> None:
        items = iter(self._source)
        try:
            for item in items:
                if not self._put(item):
                    break
            self._put(_End(None))
        except BaseException as error:  # noqa: BLE001 - raised again where the items are wanted
            self._put(_End(error))
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def _put(self, item: "T | _End") -> bool:
        while not self.unwanted.is_set():
            try:
                self.ready.put(item, timeout=_CHECK_EVERY)
            except queue.Full:
                continue
            return True
        return False


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


def read_ahead(source: Iterable[T], depth: int = 1) -> Generator[T, None, None]:
    """The items of `source`, fetched by a thread of its own, at most `depth` ahead.

    An error of the source is raised here, behind the items before it. When the consumer stops early the source is closed,
    and this returns only after the thread has ended.
    """
    fetcher = _Fetcher(source, depth)
    thread = threading.Thread(target=fetcher.run, name="read ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := fetcher.ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        fetcher.unwanted.set()
        thread.join()
