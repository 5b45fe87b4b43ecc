"""A long group does not drift away from what it shows, and a short clip is not mostly framing."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vtc
from tests.cli.command import RELEASED
from vtc.container import open_reader
from vtc.media import SinkInfo, open_sink
from vtc.media.scene import render_scene

from .films import write_video

released = pytest.mark.skipif(not RELEASED.is_file(), reason="the released bundle is not at hand")


def still(path: Path, frames: int, width: int, height: int) -> np.ndarray:
    """A video of one picture of the scene under fresh grain in every frame; its frames."""
    picture = next(render_scene(width, height, 1)).astype(np.int16)
    grain = np.random.default_rng(0).integers(-2, 3, (frames, height, width, 1))
    shown = np.clip(picture + grain, 0, 255).astype(np.uint8)
    with open_sink(path, SinkInfo(width, height, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
        for number, rgb in enumerate(shown):
            sink.write(rgb, number, 1)
    return shown


@pytest.mark.parametrize(
    ("model", "side"), [("mini", 64), pytest.param(str(RELEASED), 128, marks=[pytest.mark.slow, released])]
)
@pytest.mark.usefixtures("weights")
def test_the_end_of_a_group_is_as_good_as_its_beginning(tmp_path: Path, model: str, side: int) -> None:
    source = still(tmp_path / "still.mkv", 128, side, side)
    vtc.encode(tmp_path / "still.mkv", tmp_path / "still.vtc", model=model, group=8, threads=1)
    with vtc.open(tmp_path / "still.vtc", threads=1) as video:
        assert video.segments == 8
        errors = np.square(video.frames[:].astype(np.int16) - source, dtype=np.int32).mean((1, 2, 3))
    decibels = 10 * np.log10(255**2 / errors)
    assert abs(decibels[-16:].mean() - decibels[:16].mean()) < 0.5


@released
def test_header_and_index_are_a_small_part_of_a_short_clip(tmp_path: Path) -> None:
    write_video(tmp_path / "scene.mkv", 16, 128, 128)
    vtc.encode(tmp_path / "scene.mkv", tmp_path / "scene.vtc", model=str(RELEASED), threads=1)
    with open_reader(tmp_path / "scene.vtc") as reader:
        count = reader.count_bytes()
    assert count.header + count.index < 0.03 * count.total
