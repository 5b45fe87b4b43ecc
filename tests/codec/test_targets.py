"""Targets of size and fidelity: met to the byte, or refused with what can be had."""

import io
import sys
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vtc
from vtc.codec import trials
from vtc.codec.options import EncodeOptions
from vtc.codec.result import EncodeResult
from vtc.codec.targets import RESOLUTION, Target, search, target_of
from vtc.errors import TargetError
from vtc.media import SinkInfo, open_sink
from vtc.media.scene import render_scene

from .films import shown, write_video

pytestmark = pytest.mark.usefixtures("weights")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 frames of 64x48: 3 segments."""
    return write_video(tmp_path_factory.mktemp("short") / "short.mkv", 40, 64, 48)


@dataclass(frozen=True)
class Tried:
    result: EncodeResult


def report(quality: float, size: int, psnr: float) -> Tried:
    return Tried(EncodeResult(1, 1, 1, 1.0, size, size, 0, float(size), 1, 1, "m", "", "", quality, 1.0, 1.0, psnr, psnr))


@given(
    asked=st.floats(0.05, 0.95), growth=st.floats(0.01, 0.2), noise=st.floats(0, 0.02), first=st.floats(0, 100),
    option=st.sampled_from(["--max-bytes", "--min-psnr"]), seed=st.integers(0, 9),
)  # fmt: skip
def test_a_search_meets_its_target_narrowly_in_few_tries(
    asked: float, growth: float, noise: float, first: float, option: str, seed: int
) -> None:
    rough = np.random.default_rng(seed).normal(0, noise, int(100 / RESOLUTION) + 1)
    tried: list[float] = []

    def attempt(quality: float) -> Tried:
        assert 0 <= quality <= 100 and quality not in tried
        tried.append(quality)
        height = quality * growth + rough[round(quality / RESOLUTION)]
        return report(quality, round(1000 * 2**height), 20 + height)

    value = 1000 * 2 ** (100 * growth * asked) if option == "--max-bytes" else 20 + 100 * growth * asked
    found = search(Target(option, value), attempt, first).result
    assert Target(option, value).met(found) and len(tried) <= 12
    off = abs(np.log2(found.bytes / value)) if option == "--max-bytes" else abs(found.psnr - value)
    assert off <= max(0.051, 2 * RESOLUTION * growth + 8 * noise)


@pytest.mark.parametrize(("option", "value"), [("--max-bytes", 999), ("--min-psnr", 31.0)])
def test_what_no_quality_meets_is_refused_with_the_best(option: str, value: float) -> None:
    with pytest.raises(TargetError, match="1000 bytes, at quality 0" if option == "--max-bytes" else "30.00 dB, at quality 100"):
        search(Target(option, value), lambda quality: report(quality, round(1000 + 10 * quality), 20 + quality / 10), 50)


@pytest.mark.parametrize(("option", "value"), [("--max-bytes", 10**6), ("--min-psnr", 1.0)])
def test_what_every_quality_meets_is_given_the_end(option: str, value: float) -> None:
    found = search(Target(option, value), lambda quality: report(quality, round(1000 + quality), 20 + quality), 50).result
    assert found.quality == (100 if option == "--max-bytes" else 0)


def test_options_name_one_target() -> None:
    assert target_of(EncodeOptions()) is None
    assert target_of(EncodeOptions(bpp=0.1)) == Target("--bpp", 0.1)


@pytest.mark.parametrize("size", [1000, 1800])
def test_max_bytes_is_never_exceeded_and_nearly_filled(short: Path, tmp_path: Path, size: int) -> None:
    result = vtc.encode(short, tmp_path / "a.vtc", model="mini", max_bytes=size)
    assert 0.96 * size < result.bytes == (tmp_path / "a.vtc").stat().st_size <= size


def test_bpp_and_psnr_are_those_of_the_file(short: Path, tmp_path: Path) -> None:
    result = vtc.encode(short, tmp_path / "a.vtc", model="mini", bpp=0.08)
    assert 0.078 < result.bpp <= 0.08 and result.psnr is not None and result.psnr_clip is not None
    with vtc.open(tmp_path / "a.vtc") as video:
        errors = np.square(video.frames[:].astype(float) - shown(short)[0]).mean((1, 2, 3))
    assert result.psnr == pytest.approx(np.mean(10 * np.log10(255**2 / errors)))
    assert result.psnr_clip == pytest.approx(10 * np.log10(255**2 / errors.mean()))


def test_min_psnr_is_reached_by_the_smallest_file(short: Path, tmp_path: Path) -> None:
    result = vtc.encode(short, tmp_path / "a.vtc", model="mini", min_psnr=21.0)
    assert result.psnr is not None and 21.0 <= result.psnr < 21.1
    plain = vtc.encode(short, tmp_path / "b.vtc", model="mini", quality=int(result.quality) - 3)
    assert plain.bytes < result.bytes


def test_targets_out_of_reach_leave_nothing_behind(short: Path, tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="the least is") as found:
        vtc.encode(short, tmp_path / "a.vtc", model="mini", max_bytes=300)
    least = int(str(found.value).split("least is ")[1].split()[0])
    assert vtc.encode(short, tmp_path / "a.vtc", model="mini", max_bytes=least).bytes == least
    (tmp_path / "a.vtc").unlink()
    with pytest.raises(TargetError, match="the best is"):
        vtc.encode(short, tmp_path / "a.vtc", model="mini", min_psnr=90.0)
    assert not list(tmp_path.iterdir())


def test_a_pipe_is_kept_for_the_next_try(short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        buffer = io.BytesIO(short.read_bytes())

    monkeypatch.setattr(sys, "stdin", Pipe())
    vtc.encode("-", tmp_path / "piped.vtc", model="mini", max_bytes=1500)
    vtc.encode(short, tmp_path / "a.vtc", model="mini", max_bytes=1500)
    assert (tmp_path / "piped.vtc").read_bytes() == (tmp_path / "a.vtc").read_bytes()


@pytest.mark.parametrize("target", [{"max_bytes": 1800}, {"min_psnr": 18.0}])
def test_a_long_video_is_sampled_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: dict[str, float]) -> None:
    """Two spans of one segment, so that 7 seconds are long."""
    source = tmp_path / "long.mkv"
    with open_sink(source, SinkInfo(32, 32, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
        for number, picture in enumerate(render_scene(32, 32, 165, 24)):
            sink.write(picture, number, 1)
    monkeypatch.setattr(trials, "SPAN_SEGMENTS", 1)
    monkeypatch.setattr(trials, "SPANS", 2)
    wholes, samples = [], []
    whole, sampled = trials._Trials.whole, trials._Trials.sampled
    monkeypatch.setattr(trials._Trials, "whole", lambda self, quality: wholes.append(quality) or whole(self, quality))
    monkeypatch.setattr(trials._Trials, "sampled", lambda self, quality: samples.append(quality) or sampled(self, quality))
    result = vtc.encode(source, tmp_path / "a.vtc", model="mini", group=1, **target)
    assert samples and len(wholes) <= 8
    assert result.frames == 165 and result.bytes <= target.get("max_bytes", result.bytes)
    assert result.psnr is not None and result.psnr >= target.get("min_psnr", 0)
