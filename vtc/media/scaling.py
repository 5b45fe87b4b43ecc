"""Pictures brought to another size, each in the same way: the one way of all measurements."""

from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

from vtc.media.convert import CAREFUL, Graph

SHRINKING, ENLARGING = "area", "bicubic"


class Scaler:
    """Scales pictures uint8 [H, W, 3] to `width` x `height` by FFmpeg's scaler: `area` where no side grows, otherwise `bicubic`."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._from = (0, 0)
        self._graph: Graph

    def __call__(self, picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        height, width = picture.shape[:2]
        if (width, height) == (self.width, self.height):
            return picture
        if (width, height) != self._from:
            kind = SHRINKING if width >= self.width and height >= self.height else ENLARGING
            scale = f"scale=w={self.width}:h={self.height}:threads=1:flags={kind}+{CAREFUL}"
            self._graph, self._from = Graph(width, height, "rgb24", [scale, "format=rgb24"]), (width, height)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 1_000_000)
        return np.ascontiguousarray(self._graph(frame).to_ndarray())
