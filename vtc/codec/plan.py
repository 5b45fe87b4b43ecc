"""Frames into clips: padding in space and time, groups, and how many segments the network takes at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from vtc.codec.streams import Geometry
from vtc.codec.tiles import Layout

GROUP_SECONDS = 5.0
USUAL_RATE = Fraction(30)


class TimedFrame(Protocol):
    """What the planner needs of a frame: `rgb` uint8 or uint16 `[H, W, 3]`, `pts` and `duration` in units of the time base."""

    @property
    def rgb(self) -> np.ndarray: ...
    @property
    def pts(self) -> int: ...
    @property
    def duration(self) -> int: ...


@dataclass(frozen=True)
class Clip:
    """Segment `number` in pixels: uint8 `[3, T, H, W]`, H and W those of the padded picture; `pts` of its real frames only."""

    number: int
    leans: bool
    pixels: np.ndarray
    pts: tuple[int, ...]
    last_duration: int


def default_group(rate: Fraction | None, clip_frames: int) -> int:
    """Segments in about five seconds at `rate` frames a second (30 where it is not known), at least 1."""
    return max(1, round(GROUP_SECONDS * float(rate or USUAL_RATE) / clip_frames))


def batch_segments(layout: Layout, clip_frames: int, most: int) -> int:
    """How many segments go through the network in one call of at most `most` pixels: at least 1."""
    return max(1, most // (clip_frames * layout.count * layout.tile_height * layout.tile_width))


def batch_tiles(layout: Layout, clip_frames: int, most: int) -> int:
    """How many tiles go through the network in one call of at most `most` pixels: at least 1."""
    return max(1, most // (clip_frames * layout.tile_height * layout.tile_width))


def clips(frames: Iterable[TimedFrame], geometry: Geometry, group: int) -> Iterator[Clip]:
    """Cut `frames` into clips. Sides are padded by repeating the edge, the last clip by repeating its last frame."""
    width, height, clip_frames = geometry.width, geometry.height, geometry.clip_frames
    number = 0
    pixels = np.empty(0, np.uint8)
    pts: list[int] = []
    duration = 0
    for frame in frames:
        if not pts:
            pixels = np.empty((3, clip_frames, geometry.padded_height, geometry.padded_width), np.uint8)
        pixels[:, len(pts), :height, :width] = eight_bit(frame.rgb).transpose(2, 0, 1)
        pts.append(frame.pts)
        duration = frame.duration
        if len(pts) == clip_frames:
            yield _clip(number, group, pixels, pts, duration, width, height)
            number, pts = number + 1, []
    if pts:
        pixels[:, len(pts) :] = pixels[:, len(pts) - 1, None]
        yield _clip(number, group, pixels, pts, duration, width, height)


def eight_bit(rgb: np.ndarray) -> np.ndarray:
    """Frames of more than 8 bits, carried in uint16 at full scale, rounded to uint8."""
    if rgb.dtype == np.uint8:
        return rgb
    return ((rgb.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def _clip(
    number: int, group: int, pixels: np.ndarray, pts: list[int], duration: int, width: int, height: int
) -> Clip:
    pixels[:, :, height:, :width] = pixels[:, :, height - 1 : height, :width]
    pixels[..., width:] = pixels[..., width - 1 : width]
    return Clip(number, number % group != 0, pixels, tuple(pts), duration)
