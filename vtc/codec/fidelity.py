"""How near decoded frames are to the frames that were coded, at the size that they were coded at."""

import math
from collections.abc import Iterable

import numpy as np

from vtc.codec.model import Model
from vtc.codec.plan import eight_bit
from vtc.codec.player import Player
from vtc.container import Reader
from vtc.media import Frame

CEILING = 100.0
"""dB that an identical frame counts as, so that a mean over frames stays a number."""


def measure(reader: Reader, model: Model, frames: Iterable[Frame]) -> tuple[float, float]:
    """PSNR in dB of a file decoded with one step against the source's frames, RGB of 8 bit: (mean over frames, from the mean squared error
    of all frames)."""
    errors: list[float] = []
    source = iter(frames)
    for played in Player(reader, model, steps=1).play(0, len(reader.index.segments)):
        assert played.frames is not None
        for picture in played.frames:
            difference = np.subtract(picture, eight_bit(next(source).rgb), dtype=np.int32)
            errors.append(float(np.square(difference).sum(dtype=np.int64)) / difference.size)
    return float(np.mean([_decibels(error) for error in errors])), _decibels(float(np.mean(errors)))


def _decibels(error: float) -> float:
    return min(CEILING, 10 * math.log10(255**2 / error)) if error > 0 else CEILING
