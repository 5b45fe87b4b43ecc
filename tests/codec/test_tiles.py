"""Tiles cover a frame, are of one size, overlap enough, and their shares sum to one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.codec.tiles import FADE, FIXED_OVERLAP, MAX_AREA, OVERLAP, UNUSED, fade, layout, layout_of, ramps

sides = st.integers(1, 130).map(lambda n: 16 * n)


@given(sides, sides, st.sampled_from([128 * 128, 256 * 256, MAX_AREA]))
@settings(max_examples=60, deadline=None)
def test_shares_sum_to_one_everywhere(height: int, width: int, area: int) -> None:
    plan = layout(height, width, area)
    total = np.zeros((height, width))
    for (rows, columns), weight in zip(plan.windows, plan.weights):
        assert weight.shape == (plan.tile_height, plan.tile_width) and weight.dtype == np.float32
        assert weight.min() >= 0
        total[rows, columns] += weight
    np.testing.assert_allclose(total, 1, atol=1e-5)


@given(sides, sides)
@settings(max_examples=200, deadline=None)
def test_tiles_are_of_one_size_inside_the_frame_and_overlap(height: int, width: int) -> None:
    plan = layout(height, width)
    assert plan.tile_height * plan.tile_width <= MAX_AREA
    assert plan.tile_height % 16 == plan.tile_width % 16 == 0
    for size, tile, corners in ((height, plan.tile_height, plan.tops), (width, plan.tile_width, plan.lefts)):
        assert corners[0] == 0 and corners[-1] + tile == size
        assert all(corner % 16 == 0 for corner in corners)
        assert all(a + tile - b >= OVERLAP for a, b in pairwise(corners))


@given(sides, sides, st.integers(3, 9).map(lambda n: 16 * n))
@settings(max_examples=100, deadline=None)
def test_tiles_of_a_fixed_size_cover_the_frame(height: int, width: int, tile: int) -> None:
    plan = layout_of(max(height, tile), max(width, tile), tile, tile)
    assert plan.tile_height == plan.tile_width == tile
    for size, corners in ((plan.height, plan.tops), (plan.width, plan.lefts)):
        assert corners[0] == 0 and corners[-1] + tile == size
        assert all(corner % 16 == 0 for corner in corners)
        assert all(a + tile - b >= FIXED_OVERLAP for a, b in pairwise(corners))


@given(sides, sides)
@settings(max_examples=200, deadline=None)
def test_fades_are_linear_and_leave_the_edges_of_tiles_and_patches_alone(height: int, width: int) -> None:
    plan = layout(height, width)
    for size, tile, corners in ((height, plan.tile_height, plan.tops), (width, plan.tile_width, plan.lefts)):
        shares = ramps(size, tile, corners)
        for i, (a, b) in enumerate(pairwise(corners)):
            start, stop = fade(a + tile, b)
            assert start >= b + UNUSED and stop <= a + tile - UNUSED and stop - start == FADE
            assert 0 not in (start % 16, stop % 16, (start + stop) // 2 % 16)
            np.testing.assert_allclose(np.diff(shares[i + 1][start - b : stop - b]), 1 / FADE, atol=1e-6)
            assert shares[i + 1][: start - b].max() == 0 and shares[i][stop - a :].max() == 0


def test_a_frame_up_to_the_largest_area_is_one_tile() -> None:
    assert layout(240, 320).count == layout(368, 640).count == layout(512, 512).count == 1
    assert layout(720, 1280).count == 4
    assert layout(1088, 1920).count == 10


def test_sides_that_are_no_multiple_of_16_are_refused() -> None:
    with pytest.raises(ValueError, match="multiple"):
        layout(100, 160)
