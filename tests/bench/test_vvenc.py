"""H.266 through stand-ins for the programs, scripts of the same call that give a recorded stream; and through the real one where it is."""

import sys
from pathlib import Path

import pytest

from benchmarks.common import psnr
from tests.bench.clips import scene, write
from vtc.bench.coder import Sweep
from vtc.bench.prepare import Prepared, Protocol, prepare
from vtc.bench.vvenc import Vvenc, find_program
from vtc.errors import MediaError

SIDE, FRAMES = 64, 20
RECORDED = Path(__file__).parent / "golden" / "scene.266"
"""The clip below by VVenC: `faster`, QP 32, a key frame every 16 frames, 10 bits."""

GIVE = f"""
import shutil, sys
args = sys.argv[1:]
def has(*pairs):
    for name, value in pairs:
        assert args[args.index(name) + 1] == value, (name, args)
def give(source, target):
    assert len(open(source, "rb").read()) == {FRAMES * SIDE * SIDE * 3 // 2}
    shutil.copy({str(RECORDED)!r}, target)
"""

VVENCAPP = """
if args == ["--version"]:
    print("vvencapp: Fraunhofer VVC Encoder ver. 1.0\\nmore")
else:
    has(("--preset", "faster"), ("--qp", "32"), ("--qpa", "0"), ("--threads", "1"), ("-c", "yuv420"), ("-s", "64x64"), ("--fps", "25/1"))
    has(("--intraperiod", "16"))
    give(args[args.index("-i") + 1], args[args.index("-o") + 1])
"""

FFMPEG = """
if "-encoders" in args:
    print(" V....D libvvenc             libvvenc H.266 / VVC (codec vvc)")
elif "-version" in args:
    print("ffmpeg version 9 Copyright (c) the FFmpeg developers")
else:
    has(("-c:v", "libvvenc"), ("-preset", "faster"), ("-qp", "32"), ("-qpa", "0"), ("-threads", "1"), ("-s", "64x64"), ("-r", "25/1"))
    has(("-vvenc-params", "intraperiod=16"))
    give(args[args.index("-i") + 1], args[-1])
"""


def install(folder: Path, name: str, code: str) -> None:
    """A program of this name."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}")
    path.chmod(0o755)


@pytest.fixture
def clip(tmp_path: Path) -> Prepared:
    return prepare(write(tmp_path / "source.mkv", scene(SIDE, SIDE, FRAMES)), Protocol(SIDE, FRAMES), tmp_path / "clip.mp4")


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [("vvencapp", VVENCAPP, "vvencapp: Fraunhofer VVC Encoder ver. 1.0"), ("ffmpeg", FFMPEG, "libvvenc of ffmpeg version 9")],
)
def test_a_program_codes_and_its_ten_bits_are_decoded(
    name: str, code: str, told: str, clip: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs, folder = tmp_path / "programs", tmp_path / "row"
    programs.mkdir()
    folder.mkdir()
    install(programs, name, GIVE + code)
    monkeypatch.setenv("PATH", str(programs))
    assert not Vvenc().missing()
    [point] = Vvenc().points(Sweep(("fast",), ("16",), points=1))
    assert point.settings["encoder"] == told and point.command.startswith(name)
    coded = Vvenc().code(clip, point, folder)
    assert coded.container == RECORDED.stat().st_size and abs(coded.bytes - coded.container) < 100
    assert coded.encode_seconds > 0 and coded.pictures.shape == (FRAMES, SIDE, SIDE, 3)
    assert psnr(clip.pictures(), coded.pictures)[0] > 24


def test_an_ffmpeg_without_the_library_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "ffmpeg", 'print(" V..... libx264    libx264 H.264")')
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "libvvenc" in Vvenc().missing()


def test_a_program_that_fails_is_an_error_with_its_words(clip: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "vvencapp", "import sys; sys.exit('no such preset')")
    monkeypatch.setenv("PATH", str(tmp_path))
    [point] = Vvenc().points(Sweep(points=1))
    with pytest.raises(MediaError, match="no such preset"):
        Vvenc().code(clip, point, tmp_path)


@pytest.mark.skipif(not find_program(), reason="neither vvencapp nor an ffmpeg with libvvenc is on PATH")
def test_the_real_program_gets_better_with_bytes(clip: Prepared, tmp_path: Path) -> None:
    curve = []
    for number, point in enumerate(Vvenc().points(Sweep(("fast",), points=3))):
        folder = tmp_path / str(number)
        folder.mkdir()
        coded = Vvenc().code(clip, point, folder)
        curve.append((coded.bytes, psnr(clip.pictures(), coded.pictures)[0]))
    assert curve == sorted(curve, reverse=True) and curve[0][1] > curve[-1][1] + 3
