"""Distances against their definitions."""

import math

import numpy as np
import pytest

from vtc.bench.metrics import CEILING, Meter, decibels, ms_ssim_scales, multiscale_similarity, pairs, squared_error
from vtc.errors import MediaError

rng = np.random.default_rng(0)


def picture(height: int = 24, width: int = 32) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def test_psnr_is_its_definition() -> None:
    first, second = picture(), picture()
    mse = np.mean((first.astype(float) - second.astype(float)) ** 2)
    assert squared_error(first, second) == pytest.approx(mse)
    assert decibels(mse) == pytest.approx(10 * math.log10(255**2 / mse))
    assert decibels(0) == CEILING
    black, white = np.zeros((1080, 1920, 3), np.uint8), np.full((1080, 1920, 3), 255, np.uint8)
    assert squared_error(black, white) == 255**2  # no overflow on large frames


def test_a_clip_has_a_mean_over_frames_and_one_over_all_pixels() -> None:
    meter = Meter()
    base = np.full((24, 32, 3), 100, np.uint8)
    for difference in (1, 10, 2):
        meter.add(base, base + np.uint8(difference))
    found = meter.result()
    assert found.frames == 3
    assert found.psnr == pytest.approx(np.mean([decibels(d * d) for d in (1, 10, 2)]))
    assert found.psnr_clip == pytest.approx(decibels((1 + 100 + 4) / 3))
    assert (found.worst, found.psnr_worst) == (1, pytest.approx(decibels(100)))


def test_videos_must_match() -> None:
    with pytest.raises(MediaError, match="32x24 and 16x24"):
        Meter().add(picture(), picture(width=16))
    with pytest.raises(MediaError, match="3 and 5 frames"):
        list(pairs(range(3), range(5)))
    with pytest.raises(MediaError, match="5 and 3 frames"):
        list(pairs(range(5), range(3)))
    with pytest.raises(MediaError, match="no frames"):
        Meter().result()
    assert list(pairs("ab", "cd")) == [("a", "c"), ("b", "d")]


def test_ssim_of_the_same_and_of_noise() -> None:
    pytest.importorskip("pytorch_msssim", reason="SSIM comes with the bench extra")
    same, other = Meter(), Meter()
    first = picture()
    same.add(first, first)
    other.add(first, picture())
    assert same.result().ssim == pytest.approx(1, abs=1e-5)
    assert (other.result().ssim or 0) < 0.2


def test_ssim_is_the_librarys() -> None:
    library = pytest.importorskip("pytorch_msssim", reason="SSIM comes with the bench extra")
    torch = pytest.importorskip("torch")
    first = np.kron(picture(6, 7), np.ones((8, 8, 1), np.uint8))
    second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    planes = [torch.from_numpy(p).permute(2, 0, 1)[None].float() for p in (first, second)]
    meter = Meter()
    meter.add(first, second)
    assert meter.result().ssim == pytest.approx(float(library.ssim(*planes, data_range=255)), abs=1e-6)


def test_a_missing_metric_is_named_and_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    meter = Meter()
    meter.add(picture(), picture())
    found = meter.result()
    assert found.ssim is None
    assert "pytorch-msssim" in found.ssim_reason


def test_multiscale_similarity_is_the_librarys_where_that_has_one() -> None:
    library = pytest.importorskip("pytorch_msssim", reason="MS-SSIM comes with the bench extra")
    torch = pytest.importorskip("torch")
    first = np.kron(picture(12, 13), np.ones((16, 16, 1), np.uint8))
    second = np.clip(first + rng.normal(0, 20, first.shape), 0, 255).astype(np.uint8)
    planes = [torch.from_numpy(p).permute(2, 0, 1)[None].float() for p in (first, second)]
    assert multiscale_similarity(first, second) == pytest.approx(float(library.ms_ssim(*planes)), abs=1e-6)
    assert multiscale_similarity(first, first) == pytest.approx(1, abs=1e-6)


def test_small_pictures_have_fewer_scales() -> None:
    pytest.importorskip("pytorch_msssim", reason="MS-SSIM comes with the bench extra")
    scales = {(1080, 1920): 5, (161, 200): 5, (160, 200): 4, (128, 128): 4, (80, 200): 3, (11, 11): 1, (10, 40): 0}
    assert {size: ms_ssim_scales(*size) for size in scales} == scales
    first = picture(128, 128)
    assert multiscale_similarity(first, first) == pytest.approx(1, abs=1e-6)
    assert multiscale_similarity(first, picture(128, 128)) < 0.6
    with pytest.raises(MediaError, match="40x10"):
        multiscale_similarity(picture(10, 40), picture(10, 40))


def test_ssim_may_be_left_out() -> None:
    meter = Meter(ssim=False)
    meter.add(picture(), picture())
    assert meter.result().ssim is None
    assert meter.result().ssim_reason == "not asked for"
