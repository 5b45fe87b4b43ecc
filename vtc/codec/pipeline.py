"""Stages of a streaming loop that run beside each other: each in a thread of its own, with a short queue in between."""

import queue
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Setup = Callable[[], None]


class _End:
    """The last thing in a queue: how the stage ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(Generic[T]):
    def __init__(self, items: Iterable[T], depth: int, setup: Setup | None) -> None:
        self.items, self.setup = items, setup
        self.queue: queue.Queue[T | _End] = queue.Queue(depth)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.work, name="vtc stage", daemon=True)
        self.thread.start()

    def put(self, item: T | _End) -> bool:
        while not self.stop.is_set():
            try:
                self.queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work(self) -> None:
        error: BaseException | None = None
        try:
            if self.setup is not None:
                self.setup()
            for item in self.items:
                if not self.put(item):
                    break
        except BaseException as problem:  # handed over to the thread that waits for the items
            error = problem
        finally:
            close = getattr(self.items, "close", None)
            if close is not None:
                close()
        self.put(_End(error))

    def close(self) -> None:
        self.stop.set()
        self.thread.join()


def beside(items: Iterable[T], depth: int = 1, setup: Setup | None = None) -> Generator[T, None, None]:
    """Yield `items`, made in another thread (`setup` is called there first) of which at most `depth` wait. Its errors appear here; closing
    this closes it, and with it the stages that it takes from."""
    stage = _Stage(items, depth, setup)
    try:
        while True:
            item = stage.queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stage.close()


def spread(
    function: Callable[[T], R], items: Iterable[T], workers: int, setup: Setup | None = None
) -> Generator[tuple[T, R], None, None]:
    """Yield every item with `function(item)`, in order and as soon as it is there, computed by `workers` threads (`setup` is called first
    in each). About one item more than there are workers is in flight."""
    with ThreadPoolExecutor(workers, "vtc worker", setup) as pool:
        submitted = beside(((item, pool.submit(function, item)) for item in items), max(1, workers - 1))
        try:
            for item, result in submitted:
                yield item, result.result()
        finally:
            submitted.close()
            pool.shutdown(cancel_futures=True)
