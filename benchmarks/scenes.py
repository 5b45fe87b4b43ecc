"""Clips for measuring time and memory: the rendered scene of vtc.media, shown to and fro for as long as is asked.

    python -m benchmarks.scenes clip.mp4 --size 640x360 --frames 250
"""

from pathlib import Path
from typing import Annotated

import typer

from vtc.bench.scenes import render


def main(
    path: Annotated[Path, typer.Argument(help="The mp4 to write.")],
    size: Annotated[str, typer.Option("--size", help="WIDTHxHEIGHT")] = "320x240",
    frames: Annotated[int, typer.Option("--frames", min=1)] = 250,
    crf: Annotated[int, typer.Option("--crf", help="Of x264, for the clip.")] = 18,
) -> None:
    """Write a clip of the scene at 25 frames a second."""
    width, height = map(int, size.split("x"))
    render(path, width, height, frames, crf)


if __name__ == "__main__":
    typer.run(main)
