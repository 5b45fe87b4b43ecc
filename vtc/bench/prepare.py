"""What every codec is given: the same frames, cut and scaled once, kept without loss."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vtc.codec.plan import eight_bit
from vtc.errors import UsageError
from vtc.media import SinkInfo, open_sink, open_source
from vtc.media.scaling import ENLARGING, SHRINKING, Scaler

Picture = NDArray[np.uint8]

OWN = "own"
CROPS = ("centre", "top-left")
USUAL_RATE = Fraction(25)


class TooShort(Exception):
    """A clip has fewer frames than the protocol wants: it is left out."""


@dataclass(frozen=True)
class Protocol:
    """Which frames of a clip are coded. `size`: side of the square, or None for the clip's own size; `frames`: how many from the
    beginning on, or None for all; `crop`: where the square lies."""

    size: int | None = 128
    frames: int | None = 16
    crop: str = CROPS[0]

    def __post_init__(self) -> None:
        if self.size is not None and (self.size % 2 or not 16 <= self.size <= 8192):
            raise UsageError(f"--size {self.size}: an even number from 16 to 8192 is wanted", "or own")
        if self.frames is not None and self.frames < 1:
            raise UsageError(f"--frames {self.frames}: a number above 0 is wanted", "or all")
        if self.crop not in CROPS:
            raise UsageError(f"--crop {self.crop}: not known", f"one of {', '.join(CROPS)}")

    @property
    def name(self) -> str:
        """As rows of results name it: "128, 16 frames", "own size, all frames", "128, 80 frames, top-left"."""
        size = "own size" if self.size is None else str(self.size)
        where = "" if self.size is None or self.crop == CROPS[0] else f", {self.crop}"
        return f"{size}, {self.frames or 'all'} frames{where}"

    @property
    def text(self) -> str:
        """All of it in words."""
        frames = f"the first {self.frames} frames of every clip that has as many" if self.frames else "all frames of every clip"
        if self.size is None:
            return f"{frames}, at their own size (an odd last row or column cut off), 8-bit RGB"
        where = "in the centre" if self.crop == CROPS[0] else "at the top left"
        return (
            f"{frames}, short side scaled to {self.size} ({SHRINKING} where it shrinks, {ENLARGING} where it grows, in RGB), "
            f"the {self.size}x{self.size} {where} cut out, 8-bit RGB"
        )

    def box(self, width: int, height: int) -> tuple[tuple[int, int], tuple[slice, slice]]:
        """(width, height) after scaling, and rows and columns of what is then cut out of it."""
        if self.size is None:
            return (width, height), (slice(0, height // 2 * 2), slice(0, width // 2 * 2))
        factor = self.size / min(width, height)
        wide, high = (max(self.size, round(side * factor)) for side in (width, height))
        left, top = ((wide - self.size) // 2, (high - self.size) // 2) if self.crop == CROPS[0] else (0, 0)
        return (wide, high), (slice(top, top + self.size), slice(left, left + self.size))


def protocol_of(size: str, frames: str, crop: str) -> Protocol:
    """From the words of the command line: a number or "own", a number or "all". Raises `UsageError`."""
    for option, word, other in (("--size", size, OWN), ("--frames", frames, "all")):
        if word != other and not re.fullmatch(r"\d{1,6}", word):
            raise UsageError(f"{option} {word}: not known", f"give a number, or {other}")
    return Protocol(None if size == OWN else int(size), None if frames == "all" else int(frames), crop)


@dataclass(frozen=True)
class Prepared:
    """The frames as every codec gets them: `path`, RGB in FFV1 (mp4), which loses nothing."""

    path: Path
    frames: int
    width: int
    height: int
    rate: Fraction

    def pictures(self) -> Iterator[Picture]:
        """uint8 [H, W, 3], one after the other."""
        with open_source(self.path, threads=1) as video:
            for frame in video.frames():
                yield eight_bit(frame.rgb)


def prepare(source: Path, protocol: Protocol, target: Path) -> Prepared:
    """Writes what `protocol` takes of `source` to `target` (an .mp4). Frames keep their order but not their times: the rate is constant.

    Raises `TooShort` where frames are missing, `MediaError` where the clip cannot be read.
    """
    with open_source(source, threads=1) as video:
        rate = video.info.frame_rate or USUAL_RATE
        size, (rows, columns) = protocol.box(video.info.width, video.info.height)
        scale = Scaler(*size)
        taken = (scale(eight_bit(frame.rgb))[rows, columns] for frame in islice(video.frames(), protocol.frames))
        first = next(taken)
        height, width = first.shape[:2]
        count = 0
        with open_sink(target, SinkInfo(width, height, 1 / rate, rate), codec="ffv1", threads=1) as sink:
            for picture in chain([first], taken):
                sink.write(picture, count, 1)
                count += 1
            if protocol.frames is not None and count < protocol.frames:
                raise TooShort(f"{count} of {protocol.frames} frames")
    return Prepared(target, count, width, height, rate)


def sha256_of(path: Path) -> str:
    """Of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
