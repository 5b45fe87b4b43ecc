"""Clips for measuring time and memory: the rendered scene of vtc.media, shown to and fro for as long as is asked.

    python -m benchmarks.scenes clip.mp4 --size 640x360 --frames 250
"""

from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

RATE = 25
DRAWN = 48


def main(
    path: Annotated[Path, typer.Argument(help="The mp4 to write.")],
    size: Annotated[str, typer.Option("--size", help="WIDTHxHEIGHT")] = "320x240",
    frames: Annotated[int, typer.Option("--frames", min=1)] = 250,
    crf: Annotated[int, typer.Option("--crf", help="Of x264, for the clip.")] = 18,
) -> None:
    """Write a clip of the scene at 25 frames a second."""
    width, height = map(int, size.split("x"))
    render(path, width, height, frames, crf)


def render(path: Path, width: int, height: int, frames: int, crf: int = 18) -> Path:
    """The scene, its first 48 frames to and fro, as H.264."""
    from vtc.media import SinkInfo, open_sink, render_scene

    drawn = list(render_scene(width, height, min(frames, DRAWN), RATE))
    round_trip = drawn + drawn[-2:0:-1]
    with open_sink(path, SinkInfo(width, height, Fraction(1, RATE), Fraction(RATE)), crf=crf) as sink:
        for number in range(frames):
            sink.write(round_trip[number % len(round_trip)], number, 1)
    return path


if __name__ == "__main__":
    typer.run(main)
