"""The rendered scene: the same every time, and lively."""

from itertools import pairwise

import numpy as np

from vtc.media import render_scene


def test_scene() -> None:
    one, two = list(render_scene(96, 64, 12)), list(render_scene(96, 64, 12))
    assert len(one) == 12 and one[0].shape == (64, 96, 3) and one[0].dtype == np.uint8
    assert all(np.array_equal(a, b) for a, b in zip(one, two))
    changes = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(one)]
    assert min(changes) > 0.5
    assert one[0].std() > 30 and np.ptp(one[0].reshape(-1, 3).astype(int), axis=0).min() > 150


def test_any_size_and_rate() -> None:
    assert [picture.shape for picture in render_scene(33, 17, 2)] == [(17, 33, 3)] * 2
    slow, fast = list(render_scene(48, 32, 3, 12)), list(render_scene(48, 32, 3, 24))
    assert np.array_equal(slow[0], fast[0]) and not np.array_equal(slow[1], fast[1])
