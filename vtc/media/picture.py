"""Single pictures: beside each other, below each other, and as a PNG."""

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from vtc.media.sink import SinkInfo, open_sink

Picture = npt.NDArray[np.uint8]

GAP = 4
"""White pixels between two pictures."""


def beside(*pictures: Picture) -> Picture:
    """Pictures [H, W, 3] of one size as one, from left to right, white gaps between them."""
    return _joined(pictures, 1)


def below(pictures: Sequence[Picture]) -> Picture:
    """Pictures [H, W, 3] of one size as one, from top to bottom, white gaps between them."""
    return _joined(pictures, 0)


def save_png(path: Path, picture: Picture) -> None:
    """Write one picture, uint8 [H, W, 3]; it appears whole or not at all."""
    height, width = picture.shape[:2]
    with TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as folder:
        pages = Path(folder) / "pages"
        with open_sink(f"{pages}/", SinkInfo(width, height, Fraction(1))) as sink:
            sink.write(picture, 0, 1)
        os.replace(pages / "000000.png", path)


def _joined(pictures: Sequence[Picture], axis: int) -> Picture:
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=axis)
