"""What a decode asks of the free grid of a coordinate decoder: which part of the picture, how fine, and when."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import numpy as np

from vtc.codec.resize import Resize, resampled
from vtc.tokenizers.contract import Query

MOST = 4
"""Pixels painted for each pixel of the clip, along a side; what is asked for beyond that is resampled."""


@dataclass(frozen=True)
class Moments:
    """`times` in frames from the start of a segment, with their `pts` and `durations` in the result."""

    times: tuple[float, ...]
    pts: tuple[int, ...]
    durations: tuple[int, ...]


@dataclass(frozen=True)
class View:
    """A window of the coded picture in whole pixels, painted `factor` times as large, of which `inside` (x, y, width, height) is shown at
    `size` (width, height); frames from tick `first` on and before `end`, at `rate` a second, or those of the file where it is None."""

    top: int
    left: int
    height: int
    width: int
    factor: int
    inside: tuple[int, int, int, int]
    size: tuple[int, int]
    unit: Fraction
    rate: Fraction | None = None
    first: int | None = None
    end: int | None = None

    def query(self, moments: Moments) -> Query:
        """What the network is asked for in a segment, in pixels of the whole picture."""
        return Query(moments.times, self.top, self.left, self.height, self.width, self.factor)

    def shown(self, frames: np.ndarray) -> np.ndarray:
        """Painted frames uint8 `[n, factor * height, factor * width, 3]` at the size that was asked for."""
        x, y, width, height = self.inside
        return resampled(frames[:, y : y + height, x : x + width], self.size)

    def moments(self, pts: Sequence[int], durations: Sequence[int]) -> Moments:
        """Those of a segment's frames that are asked for; at a rate of its own, the slots that fall into the segment."""
        stop = pts[-1] + durations[-1]
        if self.rate is None:
            origin, found = self.first or 0, [
                (float(number), at, length if self.end is None else min(length, self.end - at))
                for number, (at, length) in enumerate(zip(pts, durations))
                if (self.first is None or at >= self.first) and (self.end is None or at < self.end)
            ]  # fmt: skip
            return Moments(
                tuple(time for time, _, _ in found),
                tuple(at - origin for _, at, _ in found),
                tuple(length for _, _, length in found),
            )
        origin, each = self.first or 0, 1 / (self.unit * self.rate)
        begin = pts[0] if self.first is None else max(pts[0], self.first)
        stop = stop if self.end is None else min(stop, self.end)
        slots = range(ceil((begin - origin) / each), ceil((stop - origin) / each))
        times = tuple(_place(origin + slot * each, pts, durations) for slot in slots)
        return Moments(times, tuple(slots), (1,) * len(slots))


def view_of(resize: Resize, coded: tuple[int, int], unit: Fraction, rate: Fraction | None, first: int | None, end: int | None) -> View:
    """The view of a decode that shows `resize`, of a picture coded at `coded` (width, height)."""
    x, y, width, height = resize.crop
    across, down = (Fraction(c, s) for c, s in zip(coded, resize.source))
    left, right = floor(x * across), ceil((x + width) * across)
    top, bottom = floor(y * down), ceil((y + height) * down)
    wanted = max(Fraction(resize.size[0]) / (width * across), Fraction(resize.size[1]) / (height * down))
    factor = min(max(1, ceil(wanted)), MOST)
    inside = (
        round((x * across - left) * factor),
        round((y * down - top) * factor),
        max(1, round(width * across * factor)),
        max(1, round(height * down * factor)),
    )
    return View(top, left, bottom - top, right - left, factor, inside, resize.size, unit, rate, first, end)


def _place(tick: Fraction, pts: Sequence[int], durations: Sequence[int]) -> float:
    """A tick as frames from the start of a segment, between two frames by its share of the first one's duration."""
    before = max(0, bisect_right(pts, tick) - 1)
    return before + float((tick - pts[before]) / max(1, durations[before]))
