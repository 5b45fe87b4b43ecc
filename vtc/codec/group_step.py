"""The quantiser's step of a group's first segment: finer where what it shows stays.

What is coded finely once need not be coded again where nothing moves, and every segment of the group shows it. (x264 gives I frames a finer
quantiser than P frames, and its macroblock tree blocks that are referred to; here one step serves a whole segment. The rule is ours.)
"""

import torch

from vtc.codec.quality import stored
from vtc.codec.streams import BASE_STREAMS, Symbols
from vtc.tokenizers.base import VECTOR_BITS, BaseLayer

MOVING = 2.5
"""The first slice stands alone: where everything moves, it still takes up to so many times the bits of those that lean on it."""
FINEST = 0.4
"""Of the step, at least. Both numbers were chosen on training clips: groups of 8 segments took 9.8 % fewer bits for the same fidelity."""


def first_step(base: BaseLayer, symbols: Symbols, step: float) -> float:
    """The step for the segment that begins a group, from its base layer's `symbols` at the group's `step`: finer with the square root of
    how many times as many bits its first slice takes as the others."""
    motion, structural = (torch.from_numpy(symbols.arrays[name]).to(base.basis.device) for name in BASE_STREAMS)
    prices, _ = base.prices(motion, structural, step)
    moving = motion[..., 1:].any(-1)
    bits = (prices + VECTOR_BITS * moving).double().cpu().numpy().sum((1, 2))  # numpy's sums do not depend on the number of threads
    if len(bits) < 2:
        return step
    ratio = float(bits[0] / (bits[1:].mean() + 1.0))
    return stored(step * min(1.0, max(FINEST, (MOVING / max(ratio, 1e-9)) ** 0.5)))
