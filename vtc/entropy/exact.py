"""Whole numbers in float32: the arithmetic of the `context` profile, the same on every machine.

float32 holds every whole number up to 2**24. Where weights and inputs are whole numbers and the sum of all magnitudes stays
below that, no sum can be rounded, whatever the order of summation, the number of threads or the width of a processor's
vectors. `reach` tells how far sums can go; models refuse weights that could leave the range.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from vtc.entropy.stream import Ints
from vtc.errors import BundleError

Whole = npt.NDArray[np.float32]  # whole numbers, all of them below EXACT in magnitude

EXACT = 1 << 24
UNIT = 32  # what stands for 1 in the inputs of a network, and for "yes"
MOST = 208  # largest input: that of a magnitude of 8190
HIDDEN_SHIFT, HIDDEN_MOST = 8, 255  # hidden values: sums over 2**8, cut to 0..255
OUT_SHIFT = 12  # an output counts in 2**-12 of a table

_LEVELS = np.rint(16 * np.log2(1.0 + np.arange(8191))).astype(np.uint8)  # no log is near enough to a half to be in doubt


def levels(symbols: Ints) -> npt.NDArray[np.uint8]:
    """How large symbols are, as inputs: round(16 log2(1 + |z|)), of magnitudes cut at 8190."""
    return np.asarray(_LEVELS[np.minimum(np.abs(symbols), 8190)])


def whole(weights: Ints, name: str, *shape: int) -> Whole:
    """Integer weights [shape] in float32; a size of -1 may be any. BundleError when they are not that, or too large."""
    weights = np.asarray(weights)
    fits = weights.ndim == len(shape) and all(want in (-1, have) for want, have in zip(shape, weights.shape))
    if not fits or weights.dtype.kind not in "iu" or not weights.size:
        raise BundleError(f"context tables: {name} of shape {weights.shape} and type {weights.dtype} does not fit")
    if int(weights.min()) <= -EXACT or int(weights.max()) >= EXACT:
        raise BundleError(f"context tables: a number in {name} is too large")
    return weights.astype(np.float32)


def reach(weights: Whole, most: int | Ints = MOST) -> npt.NDArray[Any]:
    """How far `inputs @ weights` can go, by output, for inputs from 0 to `most` (one, or one an input)."""
    magnitudes = np.abs(weights.astype(np.float64))
    return np.asarray((magnitudes * np.broadcast_to(most, len(weights))[:, None]).sum(0))


def demand_exact(total: npt.NDArray[Any], name: str) -> None:
    """BundleError when sums that reach as far as `total` could be rounded."""
    if float(np.max(total, initial=0)) >= EXACT:
        raise BundleError(f"context tables: the sums of {name} are not exact")


def hidden(sums: Whole) -> Whole:
    """What goes on from a hidden layer: sums / 2**8, rounded down, cut to 0..255. Works in place."""
    sums *= np.float32(2.0**-HIDDEN_SHIFT)
    np.floor(sums, out=sums)
    return np.clip(sums, 0, HIDDEN_MOST, out=sums)


def picked(sums: Whole, count: int) -> npt.NDArray[np.uint16]:
    """Which of `count` tables outputs ask for: sums / 2**12, rounded down, cut to 0..count-1. Works in place."""
    sums *= np.float32(2.0**-OUT_SHIFT)
    np.floor(sums, out=sums)
    return np.clip(sums, 0, count - 1, out=sums).astype(np.uint16)
