"""Metrics on the planes of 4:2:0, combined as the codec field does: 6 parts of Y, one each of U and V."""

import math

from vtc.bench.metrics import CEILING, Picture, decibels, squared_error
from vtc.errors import Unavailable
from vtc.media.planes import ToPlanes, Xpsnr

WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
"""Of Y, U and V."""

XPSNR_AREA = 2026
"""Pixels of the smallest picture whose XPSNR blocks have a size above 0 (four times the rounded root of 1024 areas in 3840×2160); FFmpeg 8
divides by that size."""


class PsnrYuv:
    """PSNR of each plane of each frame in dB, combined, mean over frames. Identical planes count as 100 dB."""

    def __init__(self) -> None:
        self._planes: ToPlanes | None = None
        self._values: list[float] = []

    def add(self, first: Picture, second: Picture) -> None:
        """Take the next frames, uint8 [H, W, 3] in RGB."""
        self._planes = self._planes or ToPlanes(first.shape[1], first.shape[0])
        errors = [squared_error(a, b) for a, b in zip(self._planes(first), self._planes(second))]
        self._values.append(sum(weight * decibels(error) for weight, error in zip(WEIGHTS, errors)))

    def result(self) -> float:
        """In dB, of all frames so far."""
        return math.fsum(self._values) / len(self._values)


class XpsnrYuv:
    """XPSNR by FFmpeg's filter: of each plane from the mean over frames of the root of its weighted error, as the filter averages it, then
    the planes combined. At most 100 dB."""

    def __init__(self, fps: float) -> None:
        self._fps = fps
        self._filter: Xpsnr | None = None
        self._roots = [0.0, 0.0, 0.0]
        self._count = 0

    def add(self, first: Picture, second: Picture) -> None:
        """Take the next frames, uint8 [H, W, 3] in RGB. Raises `Unavailable` for pictures of fewer than `XPSNR_AREA` pixels."""
        height, width = first.shape[:2]
        if height * width < XPSNR_AREA:
            raise Unavailable(f"there is no XPSNR of a picture of {width}x{height}", "it needs 45x46 or more")
        self._filter = self._filter or Xpsnr(width, height, self._fps)
        for plane, value in enumerate(self._filter(first, second)):
            self._roots[plane] += 10 ** (-value / 20)
        self._count += 1

    def result(self) -> float:
        """In dB, of all frames so far."""
        planes = [min(CEILING, -20 * math.log10(root / self._count)) if root else CEILING for root in self._roots]
        return sum(weight * value for weight, value in zip(WEIGHTS, planes))
