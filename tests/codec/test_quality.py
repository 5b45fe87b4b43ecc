"""The knob `--quality`: what it means, and that more of it is more bytes and more fidelity."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import vtc
from tests.cli.command import RELEASED
from vtc.codec.quality import coarser, step_of
from vtc.container import open_reader
from vtc.media import SinkInfo, open_sink

from .films import shown, write_video


def encoded(source: Path, target: Path, **options: object) -> tuple[int, float]:
    """Bytes of the file, and dB of its decoded frames."""
    size = vtc.encode(source, target, overwrite=True, threads=1, **options).bytes
    with vtc.open(target, threads=1) as video:
        error = np.mean((video.frames[:].astype(float) - shown(source)[0]) ** 2)
    return size, float(10 * np.log10(255**2 / error))


def test_the_middle_keeps_its_meaning_and_steps_fall_evenly() -> None:
    assert step_of(50) == pytest.approx(0.63, rel=1e-7)
    steps = [step_of(quality) for quality in range(101)]
    ratios = np.divide(steps[:-1], steps[1:])
    assert ratios.min() > 1.03 and ratios.max() < 1.05


def test_coarser_steps_are_those_of_one_scale() -> None:
    step, scale = step_of(100), set()
    while step < 1:
        assert step < coarser(step) < 1.1 * step
        step = coarser(step)
        scale.add(step)
    for quality in range(60, 101):
        assert coarser(step_of(quality)) in scale


@pytest.mark.usefixtures("weights")
def test_more_quality_is_more_bytes_and_more_fidelity(tmp_path: Path) -> None:
    source = write_video(tmp_path / "scene.mkv", 32, 96, 64)
    found = [encoded(source, tmp_path / "a.vtc", model="mini", quality=q) for q in (0, 25, 50, 75, 90, 100)]
    sizes, fidelity = zip(*found)
    assert list(sizes) == sorted(sizes) and list(fidelity[:4]) == sorted(fidelity[:4])
    assert min(fidelity[4:]) > fidelity[3] - 0.06  # the 24 coefficients of this bundle have little more to give


@pytest.mark.slow
@pytest.mark.skipif(not RELEASED.is_file(), reason="the released bundle is not at hand")
def test_the_released_bundle_spans_a_hundredth_to_half_a_bit_a_pixel(tmp_path: Path) -> None:
    source = write_video(tmp_path / "scene.mkv", 32, 128, 128)
    found = [encoded(source, tmp_path / "a.vtc", model=str(RELEASED), quality=q) for q in (0, 25, 50, 75, 100)]
    sizes, fidelity = zip(*found)
    assert list(sizes) == sorted(sizes) and list(fidelity) == sorted(fidelity)
    assert 8 * sizes[0] < 0.01 * 32 * 128 * 128 and 8 * sizes[-1] > 0.5 * 32 * 128 * 128


@pytest.mark.usefixtures("weights")
def test_white_stays_white_at_the_finest_step(tmp_path: Path) -> None:
    source = tmp_path / "white.mkv"
    with open_sink(source, SinkInfo(64, 64, Fraction(1, 25), Fraction(25)), codec="ffv1") as sink:
        for number in range(20):
            sink.write(np.full((64, 64, 3), 255, np.uint8), number, 1)
    (_, coarse), (_, fine) = (encoded(source, tmp_path / "a.vtc", model="mini", quality=q) for q in (60, 100))
    assert fine >= coarse - 0.5  # a clipped symbol would cost many dB
    with open_reader(tmp_path / "a.vtc") as reader:
        steps = [reader.segment(number).step for number in range(2)]
    assert steps[0] > step_of(100)
