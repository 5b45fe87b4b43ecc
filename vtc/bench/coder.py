"""What the runner wants of a codec, whichever it is: what it can be asked for, and one clip there and back."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from vtc.bench.prepare import Picture, Prepared

DEFAULT = "default"
"""Key frames, or groups of segments, as the codec places them by itself."""


@dataclass(frozen=True)
class Point:
    """One thing to ask of a codec. `name`, `value`: the knob; `settings`: everything that decides about the bytes and the pictures;
    `command`: how a person does the same to `source.mp4`."""

    preset: str
    keyframes: str
    name: str
    value: float
    settings: dict[str, str]
    command: str


@dataclass(frozen=True)
class Sweep:
    """Which points of a codec are wanted. `presets`: of fast, medium, slow; `keyframes`: "default" and distances in frames; `points`: how
    many, evenly over a codec's ladder. Of bundles: `qualities` instead of their ladder, `steps`, and `decoder`, "" for the default one."""

    presets: tuple[str, ...] = ("medium",)
    keyframes: tuple[str, ...] = (DEFAULT,)
    points: int = 5
    qualities: tuple[int, ...] = ()
    steps: tuple[int, ...] = (1,)
    decoder: str = ""


@dataclass(frozen=True)
class Coded:
    """A clip that went through a codec. `bytes`: the payload; `container`: the file; seconds of the processor (of all threads together, so
    what one core would take), from frames on disk and back to them. `pictures`: uint8 [n, H, W, 3], on disk."""

    bytes: int
    container: int
    encode_seconds: float
    decode_seconds: float
    pictures: np.ndarray
    tokens: int | None = None
    streams: dict[str, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)


class Coder(Protocol):
    """A codec as the runner knows it: `codec` is its name in rows, `bundle` the sha256 of its weights or ""."""

    @property
    def codec(self) -> str: ...
    @property
    def bundle(self) -> str: ...

    def missing(self) -> str:
        """Why it cannot be used here, or ""."""

    def points(self, sweep: Sweep) -> list[Point]:
        """What it is to be asked for."""

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        """Codes and decodes a clip, with files in `folder`, an empty one. Raises `VtcError`, and whatever its libraries do."""


def spaced(ladder: tuple[int, int], count: int) -> list[int]:
    """`count` whole numbers from the first to the last of a ladder, evenly; the middle where one is wanted."""
    first, last = ladder
    if count == 1:
        return [(first + last) // 2]
    return [first + round(step * (last - first) / (count - 1)) for step in range(count)]


@contextmanager
def stopwatch(clock: Callable[[], float] = time.process_time) -> Iterator[Callable[[], float]]:
    """`with stopwatch() as seconds: ...`; then `seconds()` are those of the block."""
    began = clock()
    end: list[float] = []
    yield lambda: (end[0] if end else clock()) - began
    end.append(clock())


def stored(pictures: Iterable[Picture], clip: Prepared, folder: Path) -> np.ndarray:
    """Decoded pictures as an array on disk, so that long clips need no memory. Raises `ValueError` where their number or size is wrong."""
    shape = (clip.frames, clip.height, clip.width, 3)
    array = np.lib.format.open_memmap(folder / "decoded.npy", "w+", np.uint8, shape)
    count = 0
    for picture in pictures:
        if count == clip.frames or picture.shape != shape[1:]:
            raise ValueError(f"decoded picture {count} of {picture.shape}, where {shape} were coded")
        array[count] = picture
        count += 1
    if count != clip.frames:
        raise ValueError(f"{count} pictures were decoded where {clip.frames} were coded")
    return array
