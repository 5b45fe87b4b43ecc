"""Small clips of a rendered scene, in the folders and under the names of data sets."""

from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np

from vtc.media import SinkInfo, open_sink, render_scene


def scene(width: int, height: int, frames: int, skip: int = 0) -> list[np.ndarray]:
    """Pictures uint8 [H, W, 3], from picture `skip` on."""
    return list(islice(render_scene(width, height, skip + frames), skip, None))


def write(path: Path, pictures: list[np.ndarray], rate: int = 25) -> Path:
    """As a video without loss (mkv), or nearly so (avi)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pictures[0].shape[:2]
    codec = None if path.suffix == ".y4m" else "ffv1"
    staged = path.with_suffix(".mkv") if path.suffix == ".avi" else path
    with open_sink(staged, SinkInfo(width, height, Fraction(1, rate), Fraction(rate)), codec=codec) as sink:
        for number, picture in enumerate(pictures):
            sink.write(picture, number, 1)
    return staged.rename(path)
