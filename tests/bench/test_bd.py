"""Bjøntegaard deltas whose answer is known."""

import math
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.made_up import made_up
from vtc.bench.bd import BD, POINTS, compare, difference, rate_change
from vtc.bench.curves import curves

pytest.importorskip("bjontegaard", reason="BD-rate comes with the bench extra")

CURVE = [(0.02 * 1.8**n, 24 + 3 * n - 0.1 * n * n) for n in range(6)]


def scaled(curve: list[tuple[float, float]], factor: float) -> list[tuple[float, float]]:
    return [(factor * rate, quality) for rate, quality in curve]


def test_a_curve_with_itself_is_zero_and_doubled_bytes_are_a_hundred() -> None:
    assert rate_change(CURVE, CURVE).percent == pytest.approx(0, abs=1e-9)
    assert rate_change(CURVE, scaled(CURVE, 2)).percent == pytest.approx(100)
    assert rate_change(scaled(CURVE, 2), CURVE).percent == pytest.approx(-50)


@given(st.floats(0.05, 20), st.integers(0, 2), st.randoms())
@settings(max_examples=30, deadline=None)
def test_scaled_bytes_give_their_factor_in_any_order_over_the_common_range(factor: float, cut: int, random: Random) -> None:
    test = scaled(CURVE, factor)[: len(CURVE) - cut]
    random.shuffle(test)
    found = rate_change(CURVE, test)
    # A curve that ends earlier bends a little differently towards its end.
    assert found.percent == pytest.approx(100 * (factor - 1), abs=0.05 * factor)
    assert (found.method, found.low, found.high) == (BD, CURVE[0][1], CURVE[-1 - cut][1])


def test_lower_may_be_better() -> None:
    distances = [(rate, 1 / quality) for rate, quality in CURVE]
    found = rate_change(distances, scaled(distances, 1.5), higher=False)
    assert found.percent == pytest.approx(50)
    assert (found.low, found.high) == (1 / CURVE[-1][1], 1 / CURVE[0][1])
    assert rate_change(distances, distances, higher=True).percent is None


def test_curves_that_share_too_little_are_refused() -> None:
    above = [(rate, quality + 10) for rate, quality in CURVE]
    refused = rate_change(CURVE, above)
    assert refused.percent is None
    assert refused.overlap == pytest.approx(0.2)
    assert "less than half" in refused.reason
    far = rate_change(CURVE, [(rate, quality + 50) for rate, quality in CURVE])
    assert far.percent is None
    assert far.overlap == 0


def test_curves_that_fall_are_refused() -> None:
    falling = CURVE[:-1] + [(1.0, 20.0)]
    assert "curve of the codec" in rate_change(CURVE, falling).reason
    assert "curve of the anchor" in rate_change(falling, CURVE).reason
    assert "no such figures" in rate_change(CURVE, []).reason
    assert "fewer than 4 points" in rate_change(CURVE[:3], CURVE).reason


def test_single_points_are_held_against_the_curve() -> None:
    found = rate_change(CURVE, [scaled(CURVE, 3)[2]])
    assert found.percent == pytest.approx(200)
    assert found.method == POINTS
    two = rate_change(CURVE, [scaled(CURVE, 4)[1], CURVE[3], (9.0, 99.0)])
    assert two.percent == pytest.approx(100)  # the mean of 4 and 1 by logarithm is 2; 99 dB is nowhere on the curve
    assert two.overlap == pytest.approx(2 / 3)
    outside = rate_change(CURVE, [(1.0, 60.0)])
    assert outside.percent is None
    assert "none of its points" in outside.reason


def test_between_points_the_rate_is_interpolated_in_its_logarithm() -> None:
    line = [(2.0**n, float(n)) for n in range(5)]
    assert rate_change(line, [(2.0**2.5, 2.5)]).percent == pytest.approx(0, abs=1e-9)


def test_at_equal_rate_the_quality_differs_by_what_was_added() -> None:
    above = [(rate, quality + 1.5) for rate, quality in CURVE]
    assert difference(CURVE, above) == pytest.approx(1.5)
    assert difference(CURVE, [above[2], (9.0, 99.0)]) == pytest.approx(1.5)  # that rate is off the curve
    assert difference(CURVE, [(9.0, 99.0)]) is None
    assert difference(CURVE[:1], CURVE) is None


def test_codecs_are_compared_over_the_clips_that_both_have() -> None:
    rows = made_up({"x264": 1.0, "x265": 0.8})
    rows = [row for row in rows if row.codec == "x264" or row.clip != "wild.mp4"]
    anchor, test = curves(rows)
    found = compare(anchor, test, "psnr")
    assert found.mean.percent == pytest.approx(-20, abs=0.2)  # bytes are whole
    assert set(found.clips) == {"calm.mp4", "middle.mp4"}
    assert found.percent_of_clips == pytest.approx(-20, abs=0.2)
    assert found.refused == 0
    assert math.isfinite(found.mean.low)
