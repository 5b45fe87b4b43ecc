"""Targets of size and fidelity: the quality that meets one, found by trying. Nothing here knows how a try is made."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from vtc.codec.options import EncodeOptions
from vtc.codec.result import EncodeResult
from vtc.errors import TargetError

RESOLUTION = 0.125
"""Points of quality: half a percent of the step."""

EXACT, ROUGH = 0.01, 0.05
"""How near to a target is near enough, as a share of the bytes; for PSNR, five times that in dB."""

_SLOPES = {"bytes": 0.08, "decibels": 0.15}
"""Doublings of bytes, and dB, that a point of quality brings, until two tries have told better."""


class Trial(Protocol):
    """A try: what came of it."""

    @property
    def result(self) -> EncodeResult: ...


T = TypeVar("T", bound=Trial)


@dataclass(frozen=True)
class Target:
    """What is asked of a file by `option`: that its bits per pixel or bytes are at most, or its PSNR in dB at least, `value`."""

    option: str
    value: float

    @property
    def of_psnr(self) -> bool:
        return self.option == "--min-psnr"

    def found(self, result: EncodeResult) -> float:
        """The number that is compared with `value`."""
        if self.option == "--bpp":
            return result.bpp
        if self.option == "--max-bytes":
            return result.bytes
        assert result.psnr is not None
        return result.psnr

    def met(self, result: EncodeResult) -> bool:
        """Whether it is as asked, to the byte."""
        return self.found(result) >= self.value if self.of_psnr else self.found(result) <= self.value

    def beyond(self, result: EncodeResult) -> float:
        """How much more there is than was asked for, in doublings of bytes or in dB."""
        return self.found(result) - self.value if self.of_psnr else math.log2(self.found(result) / self.value)

    def tolerance(self, share: float) -> float:
        """`share` on the scale of `beyond`."""
        return 5 * share if self.of_psnr else -math.log2(1 - share)

    @property
    def slope(self) -> float:
        return _SLOPES["decibels" if self.of_psnr else "bytes"]

    def missed(self, result: EncodeResult) -> TargetError:
        """The error where the last quality on its side, in `result`, is not enough."""
        if self.of_psnr:
            best = f"the best is {_floored(result.psnr or 0.0)} dB, at quality {result.quality:g} ({result.bytes} bytes)"
            return TargetError(f"{self.option} {self.value:g} cannot be met: {best}", "ask for less")
        least = f"{result.bytes} bytes" if self.option == "--max-bytes" else f"{_ceiled(result.bpp)} bits a pixel"
        smaller = "ask for more, or code a smaller picture (--size)"
        if result.audio_bytes and self.option == "--max-bytes":
            least += f", {result.audio_bytes} of them sound"
            smaller += " or no sound (--audio none)"
        return TargetError(f"{self.option} {self.value:g} cannot be met: the least is {least}, at quality {result.quality:g}", smaller)


def target_of(options: EncodeOptions) -> Target | None:
    """What the options ask for, if anything."""
    asked = {"--bpp": options.bpp, "--max-bytes": options.max_bytes, "--min-psnr": options.min_psnr}
    return next((Target(option, value) for option, value in asked.items() if value is not None), None)


def search(target: Target, attempt: Callable[[float], T], first: float, near: float = EXACT) -> T:
    """The try of highest quality that meets an upper bound, or of lowest that meets a lower one, up to `RESOLUTION` or as `near` as that.

    `attempt(quality)` is called with qualities from 0 to 100, `first` the first. TargetError when no quality meets the target.
    """
    low: tuple[float, float] | None = None  # the nearest quality known with too little, and how much beyond it was
    high: tuple[float, float] | None = None
    best: T | None = None
    last: tuple[float, float] | None = None
    quality, width, slope, least = _on_grid(first), math.inf, target.slope, RESOLUTION
    while True:
        found = attempt(quality)
        beyond, met = target.beyond(found.result), target.met(found.result)
        if last and (beyond - last[1]) * (quality - last[0]) > 0:
            slope = (beyond - last[1]) / (quality - last[0])
        last = quality, beyond
        if met:
            best = found
        if met and abs(beyond) <= target.tolerance(near):
            return found
        if met == target.of_psnr:
            high = quality, beyond
        else:
            low = quality, beyond
        end = 0.0 if low is None else 100.0 if high is None else None
        if quality == end or (low and high and high[0] - low[0] <= RESOLUTION):
            if best is None:
                raise target.missed(found.result)
            return best
        aim = target.tolerance(near) / 2 * (1 if target.of_psnr else -1)
        if low and high:
            fast = high[0] - low[0] <= width / 2
            width = high[0] - low[0]
            share = (aim - low[1]) / (high[1] - low[1]) if fast and high[1] > low[1] else 0.5
            quality = min(max(_on_grid(low[0] + share * width), low[0] + RESOLUTION), high[0] - RESOLUTION)
        else:
            onward = 1 if high is None else -1
            least *= 2
            quality = _on_grid(quality + onward * max(least, onward * (aim - beyond) / slope))


def _on_grid(quality: float) -> float:
    return min(max(round(quality / RESOLUTION) * RESOLUTION, 0.0), 100.0)


def _floored(decibels: float) -> str:
    return f"{math.floor(decibels * 100) / 100:.2f}"


def _ceiled(bits: float) -> str:
    return f"{math.ceil(bits * 1e5) / 1e5:.5f}"
