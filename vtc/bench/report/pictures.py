"""Which pictures are held against each other: the same frames of a clip, of every codec at nearly the same bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vtc.bench.curves import Curve, Series
from vtc.bench.row import Row

MOST_CLIPS = 3
MOST_WIDTH, MOST_HEIGHT = 320, 240
"""Of a frame in the report; of a larger one the middle is shown, pixel for pixel."""


NEAR = 1.5
"""Factor between two rates up to which pictures are held against each other."""

APART = 2.0
"""Factor between the two rates at which a clip is shown, at least."""


@dataclass(frozen=True)
class Shown:
    """A clip at one rate. `bpp`: what was aimed at; `rows`: of every curve that has a picture near it the nearest, the highest PSNR first;
    `far`: the other curves, with their nearest rate."""

    clip: str
    bpp: float
    rows: tuple[tuple[Curve, Row], ...]
    far: tuple[tuple[Curve, float], ...]


def shown(curves: Sequence[Curve]) -> list[Shown]:
    """A few clips, each at the two rates of a bundle (of any codec, where there is no bundle) that most others come near to."""
    named = {curve.series: _pictures(curve) for curve in curves}
    bundles = [curve for curve in curves if curve.series.ours and named[curve.series]]
    clips = sorted({clip for pictures in named.values() for clip in pictures})
    found = []
    for clip in clips[:MOST_CLIPS]:
        having = [curve for curve in curves if clip in named[curve.series]]
        rates = {row.bpp for curve in bundles or having for row in named[curve.series].get(clip, [])}
        every = [_at(clip, rate, having, named) for rate in sorted(rates)]
        first = max(every, key=_worth)
        apart = [each for each in every if _apart(each.bpp, first.bpp) >= math.log(APART)]
        found += sorted([first, *([max(apart, key=_worth)] if apart else [])], key=lambda each: each.bpp)
    return found


def _at(clip: str, bpp: float, curves: Sequence[Curve], named: Mapping[Series, Mapping[str, list[Row]]]) -> Shown:
    nearest = [(curve, min(named[curve.series][clip], key=lambda row: _apart(row.bpp, bpp))) for curve in curves]
    near = [pair for pair in nearest if _apart(pair[1].bpp, bpp) <= math.log(NEAR)]
    near.sort(key=lambda pair: -(pair[1].metrics.get("psnr") or 0.0))
    far = tuple((curve, row.bpp) for curve, row in nearest if _apart(row.bpp, bpp) > math.log(NEAR))
    return Shown(clip, bpp, tuple(near), far)


def _worth(each: Shown) -> tuple[int, float]:
    """Many codecs first, then how near they are."""
    return len(each.rows), -sum(_apart(row.bpp, each.bpp) for _, row in each.rows)


def _apart(first: float, second: float) -> float:
    return abs(math.log(first / second))


def _pictures(curve: Curve) -> dict[str, list[Row]]:
    """Rows with a picture, by clip and rising bytes."""
    found: dict[str, list[Row]] = {}
    for row in sorted((row for point in curve.points for row in point.rows), key=lambda row: (row.clip, row.bpp)):
        if row.picture:
            found.setdefault(row.clip, []).append(row)
    return found


def read_picture(path: Path, width: int, height: int) -> bytes | None:
    """The PNG of frames of `width` x `height` beside each other, the middle of each where they are large; None where there is no
    such file."""
    if not path.is_file():
        return None
    if width <= MOST_WIDTH and height <= MOST_HEIGHT:
        return path.read_bytes()
    from PIL import Image

    with Image.open(path) as picture:
        frames = max(1, round(picture.width / width))
        gap = (picture.width - frames * width) // (frames - 1) if frames > 1 else 0
        wide, high = min(width, MOST_WIDTH), min(height, MOST_HEIGHT)
        left, top = (width - wide) // 2, (height - high) // 2
        cut = Image.new("RGB", (frames * wide + (frames - 1) * gap, high), "white")
        for number in range(frames):
            start = number * (width + gap) + left
            cut.paste(picture.crop((start, top, start + wide, top + high)), (number * (wide + gap), 0))
    buffer = io.BytesIO()
    cut.save(buffer, "PNG")
    return buffer.getvalue()
