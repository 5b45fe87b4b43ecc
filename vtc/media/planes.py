"""Pictures as classical codecs see them, 4:2:0 of 8 bits and limited range, and FFmpeg's XPSNR between two videos of them.

The matrix is the one that players assume for the size: BT.601, from 720 lines on BT.709.
"""

from fractions import Fraction

import av
import av.filter
import numpy as np
import numpy.typing as npt

from vtc.media.colour import Colour, usual_matrix
from vtc.media.convert import FromRgb

Plane = npt.NDArray[np.uint8]
Planes = tuple[Plane, Plane, Plane]

PIXELS = "yuv420p"


class ToPlanes:
    """Turns RGB pictures uint8 [H, W, 3] of one size into frames of 4:2:0, by the conversion that encoding to 4:2:0 uses."""

    def __init__(self, width: int, height: int) -> None:
        self._convert = FromRgb(width, height, PIXELS, Colour(matrix=usual_matrix(height)))

    def frame(self, rgb: npt.NDArray[np.uint8]) -> av.VideoFrame:
        """The picture as PyAV's frame."""
        return self._convert(rgb)

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> Planes:
        """Y [H, W], and U and V of half the size, rounded up."""
        y, u, v = (_samples(plane) for plane in self.frame(rgb).planes)
        return y, u, v


def _samples(plane: av.video.plane.VideoPlane) -> Plane:
    return np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width].copy()


class Xpsnr:
    """FFmpeg's filter `xpsnr` (Helmrich et al. 2020) between two videos of RGB pictures uint8 [H, W, 3], a pair at a time."""

    def __init__(self, width: int, height: int, rate: float) -> None:
        self._planes = ToPlanes(width, height)
        self._graph = av.filter.Graph()  # owns its nodes without their knowing: it has to outlive them
        exact = Fraction(rate).limit_denominator(1001)
        video = f"video_size={width}x{height}:pix_fmt={PIXELS}:pixel_aspect=1/1:range=tv"
        times = f"time_base={exact.denominator}/{exact.numerator}:frame_rate={exact}"
        matrix = f"colorspace={usual_matrix(height)}"
        self._inputs = [self._graph.add("buffer", f"{video}:{times}:{matrix}") for _ in range(2)]
        measure, self._output = self._graph.add("xpsnr"), self._graph.add("buffersink")
        for pad, node in enumerate(self._inputs):
            node.link_to(measure, 0, pad)
        measure.link_to(self._output)
        self._graph.configure()
        self._count, self._time_base = 0, 1 / exact

    def __call__(self, first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
        """XPSNR of the next pair in Y, U and V, in dB; infinite for equal planes. `first` is the source."""
        for node, rgb in zip(self._inputs, (first, second)):
            frame = self._planes.frame(rgb)
            frame.pts, frame.time_base = self._count, self._time_base
            node.push(frame)
        self._count += 1
        found = self._output.pull().metadata
        y, u, v = (float(found[f"lavfi.xpsnr.xpsnr.{plane}"]) for plane in "yuv")
        return y, u, v


def has_xpsnr() -> bool:
    """Whether FFmpeg, as PyAV was built with it, has the filter (from 7.1 on)."""
    return "xpsnr" in av.filter.filters_available
