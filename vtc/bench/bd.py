"""How many more bytes one codec takes than another for the same quality: the Bjøntegaard delta rate, and its like for single points.

By the package `bjontegaard`, piecewise cubic (pchip) through log rate over quality, in per cent; above 0 the tested codec takes
more. Nothing is extrapolated: of two curves the common range of quality counts, and where that is less than half of the shorter
curve's range there is no BD-rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from vtc.bench.catalogue import METRICS
from vtc.bench.curves import Curve

LEAST_POINTS = 4
"""Of a curve that a BD-rate is taken of; those of a shorter one are compared by themselves."""

LEAST_OVERLAP = 0.5
"""Common range of quality over that of the shorter curve."""

BD, POINTS = "bd-rate", "points"


@dataclass(frozen=True)
class Change:
    """What `rate_change` found. `percent` more bytes than the anchor, or None, and then `reason` says why. `method`: BD, or
    POINTS for the mean over the single points. `low`, `high`: the qualities between which it holds. `overlap`: their range over
    that of the shorter curve."""

    percent: float | None
    method: str = BD
    low: float = math.nan
    high: float = math.nan
    overlap: float = 0.0
    reason: str = ""


def rate_change(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], higher: bool = True) -> Change:
    """Bytes of `test` against `anchor` at equal quality; both are pairs of rate (above 0) and quality, of which more is better if
    `higher`."""
    if missing := bd_missing():
        return Change(None, reason=missing)
    sign = 1 if higher else -1
    one, other = (sorted((rate, sign * quality) for rate, quality in points) for points in (anchor, test))
    for whose, points in (("the anchor", one), ("the codec", other)):
        if not points:
            return Change(None, reason=f"{whose} has no such figures")
    single = len(other) < LEAST_POINTS
    for whose, points in (("the anchor", one), ("the codec", [] if single else other)):
        if any(b[1] <= a[1] for a, b in pairwise(points)):
            return Change(None, reason=f"more bytes do not always buy quality in the curve of {whose}")
    if len(one) < LEAST_POINTS:
        return Change(None, reason=f"the anchor has fewer than {LEAST_POINTS} points")
    if single:
        return _of_points(one, other, sign)
    low, high = max(one[0][1], other[0][1]), min(one[-1][1], other[-1][1])
    shorter = min(one[-1][1] - one[0][1], other[-1][1] - other[0][1])
    overlap = max(0.0, high - low) / shorter
    if overlap < LEAST_OVERLAP:
        return Change(None, overlap=overlap, reason="the curves share less than half of the shorter one's range of quality")
    import bjontegaard

    (rates, qualities), (test_rates, test_qualities) = (np.array(points).T for points in (one, other))
    percent = bjontegaard.bd_rate(
        rates, qualities, test_rates, test_qualities, method="pchip", require_matching_points=False, min_overlap=0
    )
    low, high = sorted((sign * low, sign * high))
    return Change(float(percent), BD, low, high, overlap)


def _of_points(anchor: list[tuple[float, float]], test: list[tuple[float, float]], sign: int) -> Change:
    """Each point of `test` against the anchor's rate at its quality; mean of the logarithms."""
    from scipy.interpolate import PchipInterpolator

    rates, qualities = np.array(anchor).T
    inside = [(rate, quality) for rate, quality in test if qualities[0] <= quality <= qualities[-1]]
    if not inside:
        return Change(None, POINTS, reason="the anchor's curve reaches the quality of none of its points")
    logs = PchipInterpolator(qualities, np.log(rates))
    apart = np.mean([math.log(rate) - float(logs(quality)) for rate, quality in inside])
    low, high = (end(sign * quality for _, quality in inside) for end in (min, max))
    return Change(100 * math.expm1(float(apart)), POINTS, low, high, len(inside) / len(test))


def difference(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float | None:
    """Quality of `test` less that of `anchor` at equal rate: the mean over the points of `test` whose rate the anchor's curve reaches.

    Both are pairs of rate (above 0) and quality; the anchor's is interpolated (pchip) over the logarithm of the rate. None where there is
    no such point, or where the anchor is no curve.
    """
    ordered = sorted(anchor)
    if bd_missing() or len(ordered) < 2 or any(b[0] <= a[0] for a, b in pairwise(ordered)):
        return None
    from scipy.interpolate import PchipInterpolator

    rates, qualities = np.array(ordered).T
    inside = [(rate, quality) for rate, quality in test if rates[0] <= rate <= rates[-1]]
    at = PchipInterpolator(np.log(rates), qualities)
    return float(np.mean([quality - float(at(math.log(rate))) for rate, quality in inside])) if inside else None


def bd_missing() -> str:
    """Empty when BD-rates can be computed here, else why not."""
    from importlib.util import find_spec

    return "" if find_spec("bjontegaard") else 'bjontegaard is not installed (pip install "vtc[bench]")'


@dataclass(frozen=True)
class Comparison:
    """A codec against an anchor by one metric. `mean`: of the mean curves, over the clips that both have; `gap`: what the metric is higher
    by at equal rate, of these curves (see `difference`). `clips`: of each of these clips by itself, by name."""

    metric: str
    anchor: Curve
    test: Curve
    mean: Change
    gap: float | None
    clips: dict[str, Change]

    @property
    def percent_of_clips(self) -> float | None:
        """Mean over the clips that have a figure."""
        known = [change.percent for change in self.clips.values() if change.percent is not None]
        return math.fsum(known) / len(known) if known else None

    @property
    def refused(self) -> int:
        """Clips without a figure."""
        return sum(change.percent is None for change in self.clips.values())


def compare(anchor: Curve, test: Curve, metric: str) -> Comparison:
    """`test` against `anchor`, over the clips that both have."""
    shared = [clip for clip in test.clips if clip in set(anchor.clips)]
    if not shared:
        return Comparison(metric, anchor, test, Change(None, reason="they have no clip in common"), None, {})
    higher = METRICS[metric].higher
    one, other = (curve if len(curve.clips) == len(shared) else curve.restricted(shared) for curve in (anchor, test))
    pair = one.values(metric), other.values(metric)
    clips = {clip: rate_change(one.of_clip(clip, metric), other.of_clip(clip, metric), higher) for clip in shared}
    return Comparison(metric, anchor, test, rate_change(*pair, higher), difference(*pair), clips)
