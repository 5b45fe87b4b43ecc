"""Metrics on planes against plain definitions."""

import math

import numpy as np
import pytest

from vtc.bench.metrics import CEILING, decibels
from vtc.bench.yuv import XPSNR_AREA, PsnrYuv, XpsnrYuv
from vtc.errors import Unavailable
from vtc.media.planes import ToPlanes, Xpsnr, has_xpsnr

needs_filter = pytest.mark.skipif(not has_xpsnr(), reason="this PyAV has no filter xpsnr (FFmpeg 7.1)")


def film(noise: float = 0, frames: int = 4, height: int = 48, width: int = 64) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    moving = [128 + 60 * np.sin((x + 2 * t) / 9)[..., None] * np.cos(y / 7)[..., None] + np.array([-30, 0, 30]) for t in range(frames)]
    textured = [base + np.where(x > width // 2, rng.normal(0, 15, x.shape), 0)[..., None] for base in moving]
    return [np.clip(base + noise * rng.normal(size=base.shape), 0, 255).astype(np.uint8) for base in textured]


def test_planes_are_the_matrix_of_their_size() -> None:
    for height, (kr, kb) in {48: (0.299, 0.114), 720: (0.2126, 0.0722)}.items():
        rgb = np.zeros((height, 32, 3), np.uint8) + np.array([200, 40, 90], np.uint8)
        red, green, blue = (200, 40, 90)
        luma = kr * red + (1 - kr - kb) * green + kb * blue
        planes = ToPlanes(32, height)(rgb)
        assert [plane.shape for plane in planes] == [(height, 32), (height // 2, 16), (height // 2, 16)]
        expected = 16 + 219 * luma / 255, 128 + 112 * (blue - luma) / (1 - kb) / 255, 128 + 112 * (red - luma) / (1 - kr) / 255
        for plane, value in zip(planes, expected):
            assert np.abs(plane.astype(float) - value).max() <= 1


def test_odd_sizes_have_chroma_rounded_up() -> None:
    planes = ToPlanes(33, 17)(np.zeros((17, 33, 3), np.uint8))
    assert [plane.shape for plane in planes] == [(17, 33), (9, 17), (9, 17)]


def test_psnr_yuv_is_six_parts_luma() -> None:
    meter, convert, expected = PsnrYuv(), ToPlanes(64, 48), []
    for first, second in zip(film(), film(9)):
        meter.add(first, second)
        pairs = zip(convert(first), convert(second))
        y, u, v = (decibels(np.mean((a.astype(float) - b.astype(float)) ** 2)) for a, b in pairs)
        expected.append((6 * y + u + v) / 8)
    assert meter.result() == pytest.approx(np.mean(expected))
    same = PsnrYuv()
    same.add(film()[0], film()[0])
    assert same.result() == CEILING


def plain_xpsnr(source: list[tuple], coded: list[tuple], rate: float) -> list[list[float]]:
    """XPSNR of every frame in Y, U, V as published (Helmrich et al. 2020), for 4:2:0 of 8 bits and more than 640×480, whose weights
    are not smoothed, and up to 2048×1280, which are not decimated."""
    height, width = source[0][0].shape
    share = width * height / (3840 * 2160)
    side = 4 * int(32 * math.sqrt(share) + 0.5)
    average = math.sqrt(16 * 2 ** (2 * 8 - 9) / math.sqrt(share))
    black = np.zeros((height, width))
    lumas = [black, black] + [planes[0].astype(float) for planes in source]
    found = []
    for earlier, before, luma, one, other in zip(lumas, lumas[1:], lumas[2:], source, coded):
        high = np.abs(sum(  # high pass of 3×3: 12 in the middle, -2 beside, -1 at the corners
            weight * np.roll(luma, shift, (0, 1))
            for shift, weight in {(0, 0): 12, (0, 1): -2, (0, -1): -2, (1, 0): -2, (-1, 0): -2, (1, 1): -1, (1, -1): -1, (-1, 1): -1,
                                  (-1, -1): -1}.items()
        ))  # fmt: skip
        change = np.abs(luma - before if rate <= 32 else luma - 2 * before + earlier)
        sums = [0.0, 0.0, 0.0]
        for top in range(0, height, side):
            for left in range(0, width, side):
                block = np.s_[top : top + side, left : left + side]
                inside = np.s_[max(top, 1) : min(top + side, height - 1), max(left, 1) : min(left + side, width - 1)]
                activity = max(high[inside].mean() + 2 * change[block].mean(), 2 ** (8 - 6))
                for plane, step in enumerate((1, 2, 2)):
                    part = np.s_[top // step : (top + side) // step, left // step : (left + side) // step]
                    sums[plane] += ((one[plane][part].astype(float) - other[plane][part]) ** 2).sum() / activity
        found.append([10 * math.log10(255**2 * one[i].size / (sums[i] * average)) for i in range(3)])
    return found


@needs_filter
@pytest.mark.parametrize("rate", [25, 50])
def test_xpsnr_is_its_published_definition(rate: int) -> None:
    first, second = film(height=496, width=656), film(9, height=496, width=656)
    convert, measure = ToPlanes(656, 496), Xpsnr(656, 496, rate)
    plain = plain_xpsnr([convert(rgb) for rgb in first], [convert(rgb) for rgb in second], rate)
    assert [measure(a, b) for a, b in zip(first, second)] == [pytest.approx(values, abs=1e-3) for values in plain]


@needs_filter
def test_xpsnr_of_a_clip_is_combined_as_the_filter_and_the_field_do() -> None:
    meter, measure = XpsnrYuv(25), Xpsnr(64, 48, 25)
    frames = []
    for first, second in zip(film(), film(9)):
        meter.add(first, second)
        frames.append(measure(first, second))
    y, u, v = (-20 * math.log10(np.mean([10 ** (-values[i] / 20) for values in frames])) for i in range(3))
    assert meter.result() == pytest.approx((6 * y + u + v) / 8)
    same = XpsnrYuv(25)
    same.add(film()[0], film()[0])
    assert same.result() == CEILING


@needs_filter
def test_xpsnr_forgives_noise_in_texture() -> None:
    rng = np.random.default_rng(1)
    flat = np.full((96, 128, 3), 120, np.uint8)
    busy = np.clip(120 + rng.normal(0, 40, (96, 128, 1)) + np.zeros(3), 0, 255).astype(np.uint8)
    noise = rng.normal(0, 6, (96, 128, 1))
    values = []
    for picture in (flat, busy):
        meter = XpsnrYuv(25)
        meter.add(picture, np.clip(picture + noise, 0, 255).astype(np.uint8))
        values.append(meter.result())
    assert values[1] > values[0] + 1


@needs_filter
@pytest.mark.parametrize("rate", [12.5, 23.976, 30, 59.94])
def test_any_rate_and_odd_sizes(rate: float) -> None:
    meter = XpsnrYuv(rate)
    for first, second in zip(film(height=47, width=65), film(9, height=47, width=65)):
        meter.add(first, second)
    assert 10 < meter.result() < 60


@needs_filter
def test_the_smallest_picture_with_an_xpsnr() -> None:
    smallest = XpsnrYuv(25)
    smallest.add(*(film(noise, 1, 2, XPSNR_AREA // 2)[0] for noise in (0, 9)))
    with pytest.raises(Unavailable, match="44x46"):
        XpsnrYuv(25).add(*(film(noise, 1, 46, 44)[0] for noise in (0, 9)))
