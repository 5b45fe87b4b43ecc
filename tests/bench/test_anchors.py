"""The anchors are what an independent program makes of the same frames, and say all that they are told."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import anchors
from benchmarks.common import psnr
from tests.bench.clips import scene, write
from vtc.bench.anchors import ANCHORS
from vtc.bench.coder import Sweep, spaced
from vtc.bench.prepare import Prepared, Protocol, prepare

FRAMES = 24
EVAL = os.environ.get("VTC_EVAL")
REAL = ("ucf101/v_Biking_g05_c02.avi", "standard/foreman_cif_90.mkv", "panda70m/SBCXZbzbKE0.3.mp4")


def sources(folder: Path) -> list[Path]:
    """Three clips: real ones where VTC_EVAL names the folder of the evaluation set, otherwise of a rendered scene."""
    if EVAL and all(Path(EVAL, name).is_file() for name in REAL):
        return [Path(EVAL, name) for name in REAL]
    rng = np.random.default_rng(0)
    film = scene(160, 128, FRAMES)
    grain = [np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8) for picture in film]
    films = {"scene": film, "turned": [picture[::-1, ::-1] for picture in reversed(film)], "grain": grain}
    return [write(folder / f"{name}.mkv", pictures) for name, pictures in films.items()]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Prepared]:
    folder = tmp_path_factory.mktemp("anchors")
    protocol = Protocol(128, FRAMES, "top-left")
    return [prepare(path, protocol, folder / f"{number}.mp4") for number, path in enumerate(sources(folder))]


FFMPEG = anchors.program()


@pytest.mark.skipif(FFMPEG is None, reason="there is no program ffmpeg: neither imageio-ffmpeg nor one on PATH")
@pytest.mark.parametrize("keyframes", ["default", "16"])
@pytest.mark.parametrize("codec", ["x264", "x265"])
def test_bytes_and_psnr_are_those_of_the_ffmpeg_program(codec: str, keyframes: str, clips: list[Prepared], tmp_path: Path) -> None:
    assert FFMPEG is not None
    anchor = ANCHORS[codec]
    [point] = anchor.points(Sweep(points=1, keyframes=(keyframes,)))
    for number, clip in enumerate(clips):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = anchors.beside(anchor, point, clip, FFMPEG, folder)
        if generation(found.library) != generation(found.their_library):
            pytest.skip(f"the program's encoder is {found.their_library}, ours {found.library}: bytes differ by up to 3 %")
        assert found.bytes == pytest.approx(found.their_bytes, rel=0.01)
        assert found.psnr == pytest.approx(found.their_psnr, abs=0.05)


def generation(library: str) -> str:
    """Builds that make nearly the same choices: x264 has not changed its own for years, of x265 the first number counts."""
    name, version = library.split()
    return name if name == "x264" else f"{name} {version.partition('.')[0]}"


@pytest.mark.parametrize("codec", list(ANCHORS))
def test_every_anchor_codes_and_gets_better_with_bytes(codec: str, clips: list[Prepared], tmp_path: Path) -> None:
    anchor = ANCHORS[codec]
    assert not anchor.missing()
    curve = []
    for number, point in enumerate(anchor.points(Sweep(points=3, presets=("fast",)))):
        folder = tmp_path / str(number)
        folder.mkdir()
        coded = anchor.code(clips[0], point, folder)
        assert coded.bytes < coded.container and coded.pictures.shape == (FRAMES, 128, 128, 3)
        assert coded.encode_seconds > 0 and coded.decode_seconds > 0
        curve.append((coded.bytes, psnr(clips[0].pictures(), coded.pictures)[0]))
    assert curve == sorted(curve, reverse=True) and curve[0][1] > curve[-1][1] + 3


@pytest.mark.parametrize("codec", list(ANCHORS))
def test_the_same_clip_gives_the_same_bytes(codec: str, clips: list[Prepared], tmp_path: Path) -> None:
    # Not a multiple of 128 wide: some encoders read memory that they have not written, and so another clip is coded in between.
    anchor, odd = ANCHORS[codec], prepare(clips[0].path, Protocol(112, 12), tmp_path / "odd.mp4")
    point = anchor.points(Sweep(points=1, presets=("fast",)))[0]
    found = []
    for number, clip in enumerate([odd, clips[2], odd, clips[1], odd]):
        (tmp_path / str(number)).mkdir()
        found.append(anchor.code(clip, point, tmp_path / str(number)))
    assert found[0].bytes == found[2].bytes == found[4].bytes
    assert np.array_equal(found[0].pictures, found[2].pictures) and np.array_equal(found[0].pictures, found[4].pictures)


def test_settings_tell_everything_that_was_asked_for() -> None:
    sweep = Sweep(presets=("fast", "slow"), keyframes=("default", "16"), points=5)
    points = ANCHORS["x265-half"].points(sweep)
    assert len(points) == 20 == len({(p.preset, p.keyframes, p.name) for p in points})
    near = next(p for p in points if p.keyframes == "16")
    assert near.settings["g"] == "16" and "g" not in next(p for p in points if p.keyframes == "default").settings
    assert near.settings["preset"] == near.preset and near.settings["crf"] == f"{near.value:g}"
    assert "1/2" in near.settings["scaled"] and "PyAV" in near.settings["libraries"]
    assert "-g 16" in near.command


def test_points_lie_evenly_on_the_ladder() -> None:
    assert spaced((23, 43), 5) == [23, 28, 33, 38, 43]
    assert spaced((10, 70), 2) == [10, 70] and spaced((10, 70), 1) == [40]
