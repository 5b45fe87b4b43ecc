"""Videos for measuring time and memory: the rendered scene of vtc.media, shown to and fro for as long as is asked."""

from fractions import Fraction
from pathlib import Path

from vtc.media import SinkInfo, open_sink, render_scene

RATE = 25
DRAWN = 48


def render(path: Path, width: int, height: int, frames: int, crf: int = 18) -> Path:
    """The scene at RATE frames a second, its first DRAWN frames to and fro, as H.264 in an mp4; gives `path`."""
    drawn = list(render_scene(width, height, min(frames, DRAWN), RATE))
    round_trip = drawn + drawn[-2:0:-1]
    with open_sink(path, SinkInfo(width, height, Fraction(1, RATE), Fraction(RATE)), crf=crf) as sink:
        for number in range(frames):
            sink.write(round_trip[number % len(round_trip)], number, 1)
    return path
