"""Stages of a streaming loop that run beside each other: each in a thread of its own, with a short queue in between."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """The last thing in a queue: how the stage ended."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(Generic[T]):
    def __init__(self, items: Iterable[T], depth: int) -> None:
        self.items = items
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


def beside(items: Iterable[T], depth: int = 2) -> Generator[T, None, None]:
    """Yield `items`, made in another thread that runs at most `depth` ahead. Its errors appear here; closing this closes it, and with it
    the stages that it takes from."""
    stage = _Stage(items, depth)
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
