"""The knob `--quality`: from a number between 0 and 100 to the quantiser's step."""

import math
import struct

MIDDLE_STEP = 0.63
HALVING_BELOW, HALVING_ABOVE = 16.0, 20.0
"""Points of quality that halve the step, below and above 50. Above, the KLT's last coefficients are in sight: bytes still rise as they do
below, but decibels no longer."""

COARSER_STEPS = 8
"""Of `coarser` to double a step."""


def step_of(quality: float) -> float:
    """The step of the base layer's quantiser, in units of pixels in [-1, 1]: 0.63 in the middle, 5.5 at 0 and 0.11 at 100."""
    halving = HALVING_BELOW if quality < 50 else HALVING_ABOVE
    return stored(MIDDLE_STEP * 2.0 ** ((50 - quality) / halving))


def coarser(step: float) -> float:
    """The next step above, on a scale that is the same whatever quality one comes from: a finer one never ends above a coarser one."""
    return stored(2.0 ** ((math.floor(COARSER_STEPS * math.log2(step) + 1e-3) + 1) / COARSER_STEPS))


def stored(step: float) -> float:
    """The float32 nearest to a step, which is what a file stores, so that encoder and decoder work with the same number."""
    return float(struct.unpack("<f", struct.pack("<f", step))[0])
