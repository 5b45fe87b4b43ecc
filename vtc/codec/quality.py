"""The knob `--quality`: from a number between 0 and 100 to the quantiser's step."""

import struct

MIDDLE_STEP = 0.63
HALVING = 16.0


def step_of(quality: float) -> float:
    """The step of the base layer's quantiser, in units of pixels in [-1, 1]: halved by every 16 points of quality. A float32, which is
    what a file stores, so that encoder and decoder work with the same number."""
    step = MIDDLE_STEP * 2.0 ** ((50 - quality) / HALVING)
    return float(struct.unpack("<f", struct.pack("<f", step))[0])
