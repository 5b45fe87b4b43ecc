"""Small lossless videos of the rendered scene, written and read."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from vtc.media import SinkInfo, open_sink, open_source
from vtc.media.scene import render_scene

Make = Callable[..., Path]


def write_video(path: Path, frames: int, width: int, height: int, pts: list[int] | None = None) -> Path:
    """The scene in FFV1, timestamps in milliseconds (40 a frame where none are given)."""
    times = pts or [40 * number for number in range(frames)]
    rate = None if pts else Fraction(25)
    info = SinkInfo(width=width, height=height, time_base=Fraction(1, 1000), frame_rate=rate)
    with open_sink(path, info, codec="ffv1") as sink:
        for number, rgb in enumerate(render_scene(width, height, frames)):
            later = times[number + 1] if number + 1 < frames else times[number] + 40
            sink.write(rgb, times[number], later - times[number])
    return path


def shown(path: Path) -> tuple[np.ndarray, list[Fraction]]:
    """All frames of a video and their times in seconds."""
    with open_source(path) as source:
        frames = list(source.frames())
        unit = source.info.time_base
    return np.stack([frame.rgb for frame in frames]), [frame.pts * unit for frame in frames]
