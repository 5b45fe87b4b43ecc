"""Distances between two videos, frame by frame, in constant memory.

All are on RGB, 8 bit, at full size. PSNR is 10·log10(255² / MSE) over all pixels and channels of a frame; SSIM is the one of Wang et al.
2004 (Gaussian window of 11, σ 1.5, mean over the channels), MS-SSIM that of Wang et al. 2003; both by pytorch-msssim, on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from vtc.errors import MediaError

if TYPE_CHECKING:
    import torch

Picture = NDArray[np.uint8]
T = TypeVar("T")

CEILING = 100.0
"""dB that an identical frame counts as, so that a mean over frames stays a number."""

SSIM_SIDE = 11
"""The window of SSIM: a picture with a shorter side has none."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of MS-SSIM's five scales, finest first."""


@dataclass(frozen=True)
class Distance:
    """What lies between two videos.

    psnr: dB, mean over frames (identical frames count as 100); psnr_clip: dB, from the mean squared error of all frames;
    psnr_worst: dB, of the frame `worst` (counted from 0); ssim: mean over frames in [-1, 1], or None where it is unavailable, and
    then `ssim_reason` says why.
    """

    frames: int
    width: int
    height: int
    psnr: float
    psnr_clip: float
    psnr_worst: float
    worst: int
    ssim: float | None
    ssim_reason: str


def squared_error(first: Picture, second: Picture) -> float:
    """Mean squared error of two uint8 pictures [H, W, 3], in squared steps of 8 bit."""
    # |a - b| <= 255, so int32 holds each square, and int64 the sum.
    difference = np.subtract(first, second, dtype=np.int32)
    return float(np.square(difference).sum(dtype=np.int64)) / difference.size


def decibels(mse: float) -> float:
    """PSNR in dB of a mean squared error of 8-bit values; at most `CEILING`."""
    return min(CEILING, 10 * math.log10(255**2 / mse)) if mse > 0 else CEILING


class Meter:
    """Adds up the distance between two videos, a pair of frames at a time."""

    def __init__(self, *, ssim: bool = True) -> None:
        self._reason = ssim_missing() if ssim else "not asked for"
        self._errors: list[float] = []
        self._similar: list[float] = []
        self._size: tuple[int, ...] = ()

    def add(self, first: Picture, second: Picture) -> None:
        """Take the next frames, uint8 [H, W, 3]. Raises `MediaError` when they differ in size."""
        if first.shape != second.shape:
            sizes = " and ".join(f"{picture.shape[1]}x{picture.shape[0]}" for picture in (first, second))
            raise MediaError(f"the videos differ in size: {sizes}", "bring both to one size with --size")
        self._size = first.shape
        if min(first.shape[:2]) < SSIM_SIDE:
            self._reason = f"the picture is smaller than its window of {SSIM_SIDE} pixels"
        self._errors.append(squared_error(first, second))
        if not self._reason:
            self._similar.append(structural_similarity(first, second))

    def result(self) -> Distance:
        """The distance of all frames so far. Raises `MediaError` when there were none."""
        if not self._errors:
            raise MediaError("there are no frames to compare", "check the videos, and --start and --end")
        worst = int(np.argmax(self._errors))
        return Distance(
            frames=len(self._errors),
            width=self._size[1],
            height=self._size[0],
            psnr=float(np.mean([decibels(error) for error in self._errors])),
            psnr_clip=decibels(float(np.mean(self._errors))),
            psnr_worst=decibels(self._errors[worst]),
            worst=worst,
            ssim=float(np.mean(self._similar)) if self._similar else None,
            ssim_reason=self._reason,
        )


def pairs(first: Iterable[T], second: Iterable[T]) -> Iterator[tuple[T, T]]:
    """The frames of two videos side by side. Raises `MediaError` where one ends before the other."""
    one, other = iter(first), iter(second)
    count = 0
    while True:
        a, b = next(one, None), next(other, None)
        if a is None and b is None:
            return
        if a is None or b is None:
            longer = count + 1 + sum(1 for _ in (other if a is None else one))
            lengths = (count, longer) if a is None else (longer, count)
            raise MediaError(
                f"the videos differ in length: {lengths[0]} and {lengths[1]} frames",
                "compare the same span of both (--start, --end)",
            )
        count += 1
        yield a, b


def ssim_missing() -> str:
    """Empty when SSIM can be computed here, else why not."""
    from importlib.util import find_spec

    if find_spec("pytorch_msssim") is None:
        return 'pytorch-msssim is not installed (pip install "vtc[bench]")'
    return ""


def structural_similarity(first: Picture, second: Picture) -> float:
    """SSIM of two uint8 pictures [H, W, 3] with sides of 11 or more; in [-1, 1]."""
    import torch
    from pytorch_msssim import ssim

    with torch.no_grad():
        return float(ssim(_planes(first), _planes(second), data_range=255.0))


def ms_ssim_scales(height: int, width: int) -> int:
    """How many of MS-SSIM's five scales a picture allows: at each the window of 11 must fit in more than once. 128 pixels allow four."""
    return next((n for n in range(len(SCALE_WEIGHTS), 0, -1) if min(height, width) > (SSIM_SIDE - 1) << (n - 1)), 0)


def multiscale_similarity(first: Picture, second: Picture) -> float:
    """MS-SSIM of two uint8 pictures [H, W, 3]; in [0, 1].

    Where five scales do not fit (sides up to 160), the first `ms_ssim_scales` with their weights scaled to the sum of all five: a figure
    that can be compared with others of that many scales only. Raises `MediaError` for pictures that allow none.
    """
    import torch
    import torch.nn.functional as F
    from pytorch_msssim.ssim import _fspecial_gauss_1d, _ssim

    scales = ms_ssim_scales(*first.shape[:2])
    if scales == 0:
        raise MediaError(f"no MS-SSIM of a picture of {first.shape[1]}x{first.shape[0]}", "its sides must be above 10 pixels")
    weights = np.array(SCALE_WEIGHTS[:scales]) * (sum(SCALE_WEIGHTS) / sum(SCALE_WEIGHTS[:scales]))
    window = _fspecial_gauss_1d(SSIM_SIDE, 1.5).repeat(3, 1, 1, 1)
    a, b = _planes(first), _planes(second)
    value = torch.ones(3)
    # pytorch-msssim's own ms_ssim insists on five scales.
    with torch.no_grad():
        for scale, weight in enumerate(weights):
            whole, contrast = _ssim(a, b, data_range=255.0, win=window, size_average=False)
            last = scale == scales - 1
            value = value * torch.relu(whole if last else contrast)[0] ** float(weight)
            odd = [side % 2 for side in a.shape[2:]]
            a, b = (F.avg_pool2d(x, 2, padding=odd) for x in (a, b))
    return float(value.mean())


def _planes(picture: Picture) -> torch.Tensor:
    """float32 [1, 3, H, W] of a picture uint8 [H, W, 3]."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
