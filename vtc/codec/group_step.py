"""The quantiser's step of a group's first segment: finer than that of the others where it pays."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from vtc.codec.quality import stored
from vtc.tokenizers.base import BaseLayer, BaseSegment


def first_step(base: BaseLayer, first: Tensor, second: Tensor, step: float, segments: int, scales: tuple[float, ...]) -> float:
    """The step for the segment that begins a group of so many `segments`, the rest of which are coded with `step`.

    What is coded more finely here need not be coded again where nothing moves. That is tried on this segment and the next, clips uint8
    `[3, T, H, W]`; what the next one gains is expected of the others too, fading as the gain did from the end of this one to the end
    of that.
    """
    trials = [_trial(base, first, second, stored(step * scale), step) for scale in scales]
    usual = trials[0]

    def cost(trial: _Trial) -> float:
        left, gained = usual.second_end - trial.second_end, usual.first_end - trial.first_end
        kept = min(max(left / gained, 0.0), 1.0) if gained > 0 else 0.0
        return trial.first + (trial.second - usual.second) * sum(kept**later for later in range(segments - 1))

    return min(trials, key=cost).step


@dataclass(frozen=True)
class _Trial:
    """Two segments, the first coded with `step`: the cost of each, and the squared error of each one's last frame."""

    step: float
    first: float
    second: float
    first_end: float
    second_end: float


def _trial(base: BaseLayer, first: Tensor, second: Tensor, fine: float, step: float) -> _Trial:
    one = base.encode(first, None, fine)
    two = base.encode(second, one.frames[:, -1], step)
    weight = base.config.lagrangian * step * step
    first_cost = _error(one.frames, first) + weight * _bits(base, one, fine)
    second_cost = _error(two.frames, second) + weight * _bits(base, two, step)
    ends = _error(one.frames[:, -1], first[:, -1]), _error(two.frames[:, -1], second[:, -1])
    return _Trial(fine, first_cost, second_cost, *ends)


def _error(shown: Tensor, wanted: Tensor) -> float:
    """Sum of squares, in units of pixels in [-1, 1]."""
    difference = np.subtract(shown.cpu().numpy(), wanted.cpu().numpy(), dtype=np.int32)
    return float(np.square(difference).sum(dtype=np.int64)) / 127.5**2


def _bits(base: BaseLayer, segment: BaseSegment, step: float) -> float:
    bits, _ = base.prices(segment.motion, segment.structural, step)
    return float(np.sum(bits.cpu().numpy(), dtype=np.float64))
