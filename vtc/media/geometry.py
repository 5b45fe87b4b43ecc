"""The size of a picture, and how it is turned before it is shown."""

from collections.abc import Callable
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from vtc.media.convert import RgbArray


def sized(width: int, height: int, size: tuple[int, int] | int | None) -> tuple[int, int]:
    """The size of a picture after `size`: None as it is, (width, height), or the short side with the long one even and in proportion."""
    if size is None:
        return width, height
    if isinstance(size, tuple):
        return size
    long = max(2, 2 * round(max(width, height) * size / min(width, height) / 2))
    return (long, size) if width > height else (size, long) if height > width else (size, size)


def turn_of(frame: av.VideoFrame) -> tuple[int | None, Callable[[RgbArray], RgbArray]]:
    """Degrees clockwise to turn a frame by, and the turning itself, which mirrors as well where the file says so."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, _same
    # x' = a·x + c·y and y' = b·x + d·y, in 16.16 fixed point
    a, b, _, c, d = (int(value) for value in np.frombuffer(matrix, np.int32)[:5])
    big, small = max(map(abs, (a, b, c, d))), sorted(map(abs, (a, b, c, d)))[1]
    if big == 0 or small > big / 100:
        return None, _same
    across = abs(b) > abs(a)
    flip_x, flip_y = (c < 0, b < 0) if across else (a < 0, d < 0)
    degrees = {(False, False, False): 0, (False, True, True): 180, (True, True, False): 90, (True, False, True): 270}
    if not across and not flip_x and not flip_y:
        return 0, _same

    def turn(rgb: RgbArray) -> RgbArray:
        view: npt.NDArray[Any] = rgb.transpose(1, 0, 2) if across else rgb
        return np.ascontiguousarray(view[:: -1 if flip_y else 1, :: -1 if flip_x else 1])

    # A mirrored picture has no rotation of its own; 90 tells that its sides are exchanged.
    return degrees.get((across, flip_x, flip_y), 90 if across else 0), turn


def _same(rgb: RgbArray) -> RgbArray:
    return rgb
