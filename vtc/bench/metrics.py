"""Distances between two videos, frame by frame, in constant memory.

All are on RGB, 8 bit, at full size. PSNR is 10·log10(255² / MSE) over all pixels and channels of a frame; SSIM is the one of Wang et al.
2004 (Gaussian window of 11, σ 1.5, mean over the channels), by pytorch-msssim, on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vtc.errors import MediaError

Picture = NDArray[np.uint8]

CEILING = 100.0
"""dB that an identical frame counts as, so that a mean over frames stays a number."""

SSIM_SIDE = 11
"""The window of SSIM: a picture with a shorter side has none."""


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


def distance(first: Iterable[Picture], second: Iterable[Picture], *, ssim: bool = True) -> Distance:
    """Compare two videos, each an iterable of uint8 pictures [H, W, 3]; they are read side by side, one frame at a time.

    Raises `MediaError` when they differ in size or in the number of frames, or have none.
    """
    reason = "not asked for" if not ssim else ssim_missing()
    errors: list[float] = []
    similar: list[float] = []
    height = width = 0
    for a, b in pairs(first, second):
        height, width = a.shape[:2]
        if not reason and min(height, width) < SSIM_SIDE:
            reason = f"the picture is smaller than its window of {SSIM_SIDE} pixels"
        errors.append(squared_error(a, b))
        if not reason:
            similar.append(structural_similarity(a, b))
    worst = int(np.argmax(errors))
    return Distance(
        frames=len(errors),
        width=width,
        height=height,
        psnr=float(np.mean([decibels(error) for error in errors])),
        psnr_clip=decibels(float(np.mean(errors))),
        psnr_worst=decibels(errors[worst]),
        worst=worst,
        ssim=float(np.mean(similar)) if similar else None,
        ssim_reason=reason,
    )


def pairs(first: Iterable[Picture], second: Iterable[Picture]) -> Iterator[tuple[Picture, Picture]]:
    """The frames of two videos side by side; `MediaError` where they do not match."""
    one, other = iter(first), iter(second)
    count = 0
    while True:
        a, b = next(one, None), next(other, None)
        if a is None and b is None:
            break
        if a is None or b is None:
            more = count + 1 + sum(1 for _ in (other if a is None else one))
            lengths = (count, more) if a is None else (more, count)
            raise MediaError(
                f"the videos differ in length: {lengths[0]} and {lengths[1]} frames",
                "compare the same span of both (--start, --end), at one frame rate",
            )
        if a.shape != b.shape:
            raise MediaError(
                f"the videos differ in size: {a.shape[1]}x{a.shape[0]} and {b.shape[1]}x{b.shape[0]}",
                "bring both to one size with --size",
            )
        count += 1
        yield a, b
    if not count:
        raise MediaError("neither video has a frame", "check the paths")


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

    def planes(picture: Picture) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()

    with torch.no_grad():
        return float(ssim(planes(first), planes(second), data_range=255.0))
