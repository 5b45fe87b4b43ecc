"""Timestamps as arithmetic."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vtc.media.timing import as_rate, cut, repaired, resampled, with_durations

STAMPS = st.lists(st.one_of(st.none(), st.integers(-1000, 1000)), max_size=30)


@given(STAMPS)
def test_repair_makes_times_increase_and_leaves_good_ones(stamps: list[int | None]) -> None:
    told: list[int] = []
    out = [pts for _, pts in repaired(((None, pts) for pts in stamps), 40, told.append)]
    assert len(out) == len(stamps) and all(b > a for a, b in pairwise(out))
    good = all(a is not None and b is not None and b > a for a, b in pairwise(stamps)) and None not in stamps
    assert (out == stamps) == good
    assert bool(told) == (not good)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_durations_fill_the_time(lengths: list[int]) -> None:
    times = [sum(lengths[:n]) for n in range(len(lengths))]
    out = list(with_durations(((n, pts) for n, pts in enumerate(times)), lambda _: lengths[-1]))
    assert [duration for _, _, duration in out] == lengths


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 400), st.integers(1, 400))
def test_cutting(lengths: list[int], first: int, length: int) -> None:
    frames = [(n, sum(lengths[:n]), lengths[n]) for n in range(len(lengths))]
    out = list(cut(iter(frames), first, first + length, first))
    assert [n for n, _, _ in out] == [n for n, pts, _ in frames if first <= pts < first + length]
    assert all(pts >= 0 and pts + duration <= length for _, pts, duration in out)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.sampled_from([5, 10, 24, 25, 50, 100]))
def test_resampling_shows_the_nearest_frame(lengths: list[int], rate: int) -> None:
    ticks = Fraction(1, 100)
    frames = [(n, sum(lengths[:n]), lengths[n]) for n in range(len(lengths))]
    out = list(resampled(iter(frames), ticks, Fraction(rate)))
    assert [pts for _, pts, _ in out] == list(range(out[0][1], out[0][1] + len(out)))
    assert abs(Fraction(len(out), rate) - sum(lengths) * ticks) <= Fraction(1, rate)
    for number, pts, _ in out:
        start = frames[number][1] * ticks * rate
        assert start <= pts + Fraction(1, 2), "a frame is never shown more than half a slot early"


def test_the_same_rate_changes_nothing() -> None:
    frames = [(n, n, 1) for n in range(10)]
    assert list(resampled(iter(frames), Fraction(1, 25), Fraction(25))) == frames


@pytest.mark.parametrize(("given_", "exact"), [
    (29.97, Fraction(30000, 1001)), (23.976, Fraction(24000, 1001)), (59.94, Fraction(60000, 1001)), (25.0, Fraction(25)),
    (12.5, Fraction(25, 2)), (30, Fraction(30)), (Fraction(30000, 1001), Fraction(30000, 1001)), (0.5, Fraction(1, 2)),
])  # fmt: skip
def test_rates(given_: float, exact: Fraction) -> None:
    assert as_rate(given_) == exact
