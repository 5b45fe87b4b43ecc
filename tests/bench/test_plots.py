"""What plots need of arithmetic, and that codecs look alike wherever they appear."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="plots come with the bench extra")

from tests.bench.made_up import made_up
from vtc.bench.canvas import spread, svg
from vtc.bench.curves import Series, curves
from vtc.bench.plots import length_over_time, rate_by_stream, rate_distortion
from vtc.bench.style import DARK, LIGHT, looks


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9), st.floats(0.01, 0.1))
def test_labels_keep_their_order_and_their_distance_and_stay_inside(levels: list[float], gap: float) -> None:
    levels = sorted(levels)
    found = spread(levels, gap)
    assert len(found) == len(levels)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(found))
    assert min(found) >= -1e-9
    assert max(found) <= 1 + 1e-9
    if all(b - a >= gap for a, b in pairwise(levels)):
        assert found == pytest.approx(levels)


def series(codec: str, **other: str) -> Series:
    named = {"dataset": "d", "protocol": "p", "keyframes": "default", "preset": "medium", "variant": "", "bundle": ""} | other
    return Series(codec=codec, told=(), **named)


def test_a_codec_has_one_colour_and_its_kinds_have_their_own_dashes() -> None:
    every = [series("x265"), series("x265", keyframes="16"), series("x265-half"), series("onedva-tiny", preset="-", bundle="ab")]
    found = looks(every)
    plain, often, half, ours = (found[one] for one in every)
    assert plain == often
    assert half.colour == plain.colour
    assert half.dash != plain.dash
    assert (plain.name, half.name, ours.name) == ("x265", "x265 half", "onedva-tiny")
    assert ours.ours and not plain.ours
    assert looks(every[:1])[every[0]] == plain


def test_presets_are_named_where_there_are_several() -> None:
    found = looks([series("svtav1", preset="6"), series("svtav1", preset="3"), series("x264")])
    assert sorted(look.name for look in found.values()) == ["SVT-AV1 3", "SVT-AV1 6", "x264"]


def test_two_of_one_name_are_told_apart() -> None:
    one = series("onedva-tiny", preset="-", bundle="a1b2c3d4")
    other = replace(one, bundle="ffeeddcc", told=(("entropy", "static"),))
    assert {look.name for look in looks([one, other]).values()} == {"onedva-tiny (a1b2c3)", "onedva-tiny (ffeedd, static)"}


def test_codecs_that_nobody_has_heard_of_get_a_colour() -> None:
    found = looks([series("quux-large", preset="-", bundle="ab"), series("zap")])
    assert len({look.colour for look in found.values()}) == 2


def test_plots_are_the_same_bytes_every_time_and_differ_by_paper() -> None:
    found = curves(made_up())
    dressed = looks(curve.series for curve in found)
    ours = next(curve for curve in found if curve.series.ours)
    for draw in (
        rate_distortion(found, "psnr", dressed),
        rate_by_stream(ours, dressed[ours.series]),
        length_over_time(ours.points[0].rows, dressed[ours.series]),
    ):
        assert svg(draw, LIGHT) == svg(draw, LIGHT)
        assert svg(draw, LIGHT) != svg(draw, DARK)
