"""Jobs in processes of their own, one thread each. A process that dies costs the job that killed it, and no other."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children, get_context, parent_process
from typing import Generic, TypeVar

Job = TypeVar("Job")
Found = TypeVar("Found")


class Died(Exception):
    """The process of a job ended before the job did."""


class Pool(Generic[Job, Found]):
    """`work` on jobs in `workers` fresh processes; `start(*arguments)` prepares each of them."""

    def __init__(
        self, workers: int, work: Callable[[Job], Found], start: Callable[..., None], arguments: tuple[object, ...]
    ) -> None:
        self._workers, self._work, self._start, self._arguments = workers, work, start, arguments

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[Job, Found | Died]]:
        """Every job with what was found, in the order in which they end. An exception of `work` is raised here."""
        waiting = deque(jobs)
        while waiting:
            suspects = yield from self._run_until_death(waiting, self._workers)
            for suspect in suspects:  # one of these killed its process: each alone shows which
                alone = yield from self._run_until_death(deque([suspect]), 1)
                if alone:
                    yield suspect, Died()

    def _run_until_death(
        self, waiting: deque[Job], workers: int
    ) -> Generator[tuple[Job, Found | Died], None, list[Job]]:
        """Runs jobs and takes them off `waiting`; returns those that were running when a process died."""
        running: dict[Future[Found], Job] = {}
        others = set(active_children())
        executor = ProcessPoolExecutor(
            min(workers, len(waiting)), get_context("spawn"), _begin, (self._start, self._arguments)
        )
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    job = waiting.popleft()
                    running[executor.submit(self._work, job)] = job
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    found = future.result()
                    yield running.pop(future), found
            return []
        except BrokenProcessPool:
            return list(running.values())
        finally:
            if running:  # interrupted, or given up: nobody waits for what is still being done
                for child in set(active_children()) - others:
                    child.terminate()
            executor.shutdown(cancel_futures=True)


def _begin(start: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """The first thing in a process: an interrupt is its parent's business, and without the parent there is none of its own."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    start(*arguments)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
