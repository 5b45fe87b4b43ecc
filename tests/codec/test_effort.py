"""`--effort`: every level decodes, differs from the one before, and gives the same bytes again."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import vtc
from vtc.codec.effort import LEVELS
from vtc.media import SinkInfo, open_sink
from vtc.media.scene import render_scene

from .films import shown, write_video

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """36 frames of 64x48: 3 segments."""
    return write_video(tmp_path_factory.mktemp("effort") / "film.mkv", 36, 64, 48)


def cost(source: Path, coded: Path, step: float = 0.63) -> float:
    """What an encode minimises, squared error plus lagrangian step^2 bits, of a file and its decoded frames."""
    with vtc.open(coded, threads=1) as video:
        off = (video.frames[:].astype(float) - shown(source)[0]) / 127.5
    return float(np.square(off).sum() + 0.14 * step**2 * 8 * coded.stat().st_size)


def test_more_effort_is_worth_more_at_another_price_each(film: Path, tmp_path: Path) -> None:
    files = []
    for level in range(len(LEVELS)):
        path = tmp_path / f"{level}.vtc"
        vtc.encode(film, path, model="mini", effort=level, threads=1)
        files.append(path)
    assert len({path.read_bytes() for path in files}) == len(LEVELS)
    costs = [cost(film, path) for path in files]
    assert costs[3] < costs[2] and costs[3] < costs[0]
    assert costs[4] < 1.005 * costs[3]  # more of the same steps: nothing lost, and on a film this short little to gain


@pytest.mark.parametrize("level", [2, 3])
def test_threads_do_not_change_the_bytes(film: Path, tmp_path: Path, level: int) -> None:
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            vtc.encode(film, tmp_path / f"{threads}.vtc", model="mini", effort=level, threads=threads)
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "1.vtc").read_bytes() == (tmp_path / "2.vtc").read_bytes()


def test_tiles_are_refined_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_video(tmp_path / "film.mkv", 16, 112, 80)
    monkeypatch.setattr("vtc.codec.streams.layout.__defaults__", (64 * 64,))
    for level in (2, 3):
        vtc.encode(source, tmp_path / f"{level}.vtc", model="mini", effort=level, threads=1)
    assert cost(source, tmp_path / "3.vtc") < cost(source, tmp_path / "2.vtc")


def test_what_stays_is_coded_finely_once(tmp_path: Path) -> None:
    """A still picture is worth fine steps at the start of its group, less in a group of one; noise, new in every frame, is not."""
    picture = next(render_scene(64, 48, 1))
    noise = np.random.default_rng(0).integers(0, 256, (48, 48, 64, 3), np.uint8)
    finer = {}
    for name, pictures, group in (("still", [picture] * 48, 3), ("noise", noise, 3), ("alone", [picture] * 48, 1)):
        path = tmp_path / f"{name}.mkv"
        with open_sink(path, SinkInfo(64, 48, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
            for number, rgb in enumerate(pictures):
                sink.write(rgb, number, 1)
        vtc.encode(path, tmp_path / f"{name}.vtc", model="mini", group=group, threads=1)
        with vtc.open(tmp_path / f"{name}.vtc", threads=1) as coded:
            finer[name] = [int(coded.tokens(number)["finer"].max()) for number in range(3)]
    assert finer["noise"] == [0] * 3
    assert finer["still"][0] > finer["alone"][0] > 0
