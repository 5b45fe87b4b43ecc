"""Timestamps: repaired where they are missing, cut to a range, resampled to a constant rate.

All functions are lazy over `(item, pts)` or `(item, pts, duration)`; times are integer ticks, so nothing is ever rounded twice.
"""

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor
from typing import TypeVar

Item = TypeVar("Item")


def as_rate(rate: Fraction | float) -> Fraction:
    """A frame rate as a fraction; 29.97, 23.976 and their kin become the exact 30000/1001, 24000/1001."""
    if isinstance(rate, float):
        film = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
        return film if rate != round(rate) and abs(rate - film) < 0.005 else Fraction(rate).limit_denominator(1000)
    return Fraction(rate)


def as_seconds(time: float) -> Fraction:
    """Seconds as a person wrote them: 0.04 is 1/25, not the nearest binary number, which may lie behind the frame at 1/25."""
    return Fraction(time).limit_denominator(1_000_000)


def repaired(
    items: Iterable[tuple[Item, int | None]], step: int, report: Callable[[int], None]
) -> Iterator[tuple[Item, int]]:
    """Makes timestamps strictly increasing: a missing one is `step` after the last, a late one a tick after it.

    `report` is called once at the end with the number of those that had to be changed, if any.
    """
    last: int | None = None
    changed = 0
    for item, pts in items:
        if pts is None:
            pts = 0 if last is None else last + step
            changed += 1
        elif last is not None and pts <= last:
            pts = last + 1
            changed += 1
        yield item, pts
        last = pts
    if changed:
        report(changed)


def with_durations(
    items: Iterable[tuple[Item, int]], last_duration: Callable[[Item], int]
) -> Iterator[tuple[Item, int, int]]:
    """Adds durations: to the next frame, and for the last one what `last_duration` says of it."""
    held: tuple[Item, int] | None = None
    for item, pts in items:
        if held is not None:
            yield held[0], held[1], pts - held[1]
        held = item, pts
    if held is not None:
        yield held[0], held[1], max(1, last_duration(held[0]))


def cut(
    items: Iterable[tuple[Item, int, int]], first: int | None, end: int | None, shift: int
) -> Iterator[tuple[Item, int, int]]:
    """Keeps frames with first <= pts < end, moved back by `shift`; the last one's duration ends at `end`."""
    for item, pts, duration in items:
        if end is not None and pts >= end:
            return
        if first is None or pts >= first:
            yield item, pts - shift, duration if end is None else min(duration, end - pts)


def resampled(
    items: Iterable[tuple[Item, int, int]], time_base: Fraction, rate: Fraction
) -> Iterator[tuple[Item, int, int]]:
    """Constant rate by repeating and dropping frames, each at the nearest slot; new times are counted in 1/rate."""
    factor, half = time_base * rate, Fraction(1, 2)
    held: tuple[Item, int] | None = None
    end = 0
    empty = True
    for item, pts, duration in items:
        start, end = floor(pts * factor + half), floor((pts + duration) * factor + half)
        if held is not None:
            for slot in range(held[1], start):
                yield held[0], slot, 1
                empty = False
        held = item, start
    if held is not None:
        for slot in range(held[1], max(end, held[1] + empty)):
            yield held[0], slot, 1
