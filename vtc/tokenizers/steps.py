"""The quantiser's step of a token: about that of its segment, made finer in thirds of an octave. No torch: the entropy coder asks too."""

import numpy as np
import numpy.typing as npt

PER_OCTAVE, FINEST = 3, 4
"""So many times the cube root of 2 a token may be finer than the coarsest of its segment."""

FACTORS = (2.0 ** (0.25 - np.arange(FINEST + 1) / PER_OCTAVE)).astype(np.float32)
"""What multiplies the segment's step, by how much finer a token is: from 1.19 to 0.47, so that tokens of common clips are near to 1."""


def steps_of(finer: npt.NDArray[np.integer], step: float) -> npt.NDArray[np.float32]:
    """float32 `[...]`: the steps of tokens that are so much `finer` `[...]`, in 0..FINEST, than their segment's `step`."""
    return np.asarray(FACTORS[finer] * np.float32(step))
