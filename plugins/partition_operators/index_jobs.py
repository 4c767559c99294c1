"""Building the parts of one index side by side, each thread with a connection of its own."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from queue import SimpleQueue
from threading import Event

import psycopg

from include.partitioning.errors import PartitionLifecycleError, ServerUnavailableError
from include.postgres import catalog
from include.postgres.executor import Log
from include.postgres.failures import translated
from include.postgres.index_building import PartBuilder
from include.postgres.index_definitions import DefinedIndex
from include.postgres.index_parts import Node, lacking, nodes_below
from include.postgres.index_progress import Progress, end, working_on
from partition_operators.lifecycle_operator import Step

SAY_EVERY = 30.0
"""Seconds between two lines about what is being built."""


def jobs_for(step: Step, index: DefinedIndex, tables: int) -> int:
    """How many partitions at a time. A build of an index with an expression or a predicate waits at its end for all older snapshots, those
    of its like included, so two of them would only use up each other's `wait_timeout`.
    """
    return max(1, 1 if index.definition.waits_for_others else min(step.policy.index_jobs, tables))


class IndexJobs:
    """Builds what partitions lack of one index.

    :param index: of the parent.
    """

    def __init__(self, step: Step, index: DefinedIndex, log: Log) -> None:
        self._step = step
        self._index = index
        self._log = log
        self._hands: SimpleQueue[Step] = SimpleQueue()
        self._lost = Event()

    def run(self) -> list[PartitionLifecycleError]:
        """Largest first, so that the last are short. One partition's failure is no other's.

        :returns: what went wrong. If a connection is lost, nothing more is begun, and what others have begun goes on.
        """
        nodes = lacking(nodes_below(self._step.connection, self._step.table, self._index))
        sizes = catalog.sizes(self._step.connection, [each.oid for each in nodes])
        nodes = sorted((each for each in nodes if each.oid in sizes), key=lambda each: (-sizes[each.oid], each.name))
        count = jobs_for(self._step, self._index, len(nodes))
        if nodes:
            self._log.info('index "%s": %d partitions lack their part, %d at a time', self._index.name, len(nodes), count)
        with ExitStack() as stack, ThreadPoolExecutor(count, thread_name_prefix="partition-lifecycle-index") as pool:
            hands = [stack.enter_context(self._step.beside()) for _ in range(count)]  # here: Airflow's connections are looked up
            for hand in hands:
                self._hands.put(hand)
            pids = [each.connection.info.backend_pid for each in hands]
            try:
                return self._follow({pool.submit(self._build, each): each for each in nodes}, sizes, pids)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                self._stop(pids)
                raise

    def _build(self, node: Node) -> str:
        if self._lost.is_set():
            return f'"{node.name}" is left to the next run'
        hand = self._hands.get()
        try:
            with translated(f'index "{self._index.name}" of "{node.name}"'):
                return PartBuilder(hand.executor, hand.ledger, hand.table, self._index).build(node)
        except ServerUnavailableError:
            self._lost.set()
            raise
        finally:
            self._hands.put(hand)

    def _follow(self, running: dict[Future[str], Node], sizes: dict[int, int], pids: Sequence[int]) -> list[PartitionLifecycleError]:
        progress = Progress(self._index.name, [sizes[each.oid] for each in running.values()])
        failed: list[PartitionLifecycleError] = []
        while running:
            done, _ = wait(running, timeout=SAY_EVERY, return_when=FIRST_COMPLETED)
            for future in done:
                node = running.pop(future)
                progress.add(sizes[node.oid])
                try:
                    self._log.info("%s; %s", future.result(), progress)
                except PartitionLifecycleError as error:
                    self._log.warning("%s", error)
                    failed.append(error)
            if not done:
                self._log.info("%s; %s", progress, "; ".join(working_on(self._step.connection, pids)) or "waiting")
        return failed

    def _stop(self, pids: Sequence[int]) -> None:
        """Nobody waits for them any more; what they leave is dropped by the next run."""
        with suppress(psycopg.Error):
            end(self._step.connection, pids)
