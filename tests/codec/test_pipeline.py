"""Stages run ahead a little, pass errors on, and end when nobody listens."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from vtc.codec.pipeline import beside, spread


def test_items_come_in_order_through_several_stages() -> None:
    doubled = beside(2 * x for x in beside(iter(range(100))))
    assert list(doubled) == [2 * x for x in range(100)]


def test_an_error_appears_where_the_items_are_taken() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise KeyError("here")

    seen = []
    with pytest.raises(KeyError, match="here"):
        for item in beside(beside(failing())):
            seen.append(item)
    assert seen == [1]


def test_a_stage_runs_only_a_little_ahead() -> None:
    made = []

    def counting() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(beside(counting(), depth=2)) as items:
        next(items)
        time.sleep(0.2)
        assert len(made) <= 4


def test_closing_ends_all_threads() -> None:
    before = threading.active_count()
    ended = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.append(True)

    with closing(beside(x for x in beside(endless()))) as items:
        next(items)
    for _ in range(50):
        if threading.active_count() == before and ended:
            break
        time.sleep(0.05)
    assert threading.active_count() == before and ended


def test_spread_keeps_order_and_uses_its_workers() -> None:
    names = set()

    def work(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        names.add(threading.current_thread().name)
        return number * number

    assert list(spread(work, range(60), 3)) == [(n, n * n) for n in range(60)]
    assert len(names) == 3


def test_spread_passes_errors_on_and_takes_only_what_it_needs() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    def work(number: int) -> int:
        if number == 5:
            raise KeyError("five")
        return number

    with pytest.raises(KeyError, match="five"):
        list(spread(work, items(), 2))
    assert len(taken) <= 9
