"""Frames into clips."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.codec.plan import batch_segments, clips, default_group, eight_bit
from vtc.codec.streams import Geometry
from vtc.codec.tiles import layout


@dataclass
class Picture:
    rgb: np.ndarray
    pts: int
    duration: int


def pictures(count: int, width: int, height: int) -> list[Picture]:
    rng = np.random.default_rng(count)
    return [Picture(rng.integers(0, 256, (height, width, 3), np.uint8), 3 * i, 3) for i in range(count)]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_all_frames_are_there_and_the_rest_repeats_the_edge(count: int, width: int, height: int, group: int) -> None:
    source = pictures(count, width, height)
    cut = list(clips(source, Geometry(height, width, 16), group))
    assert [clip.number for clip in cut] == list(range(-(-count // 16)))
    assert [clip.leans for clip in cut] == [number % group != 0 for number in range(len(cut))]
    assert [pts for clip in cut for pts in clip.pts] == [picture.pts for picture in source]
    for clip in cut:
        assert clip.pixels.shape[2] % 16 == clip.pixels.shape[3] % 16 == 0
        for place in range(16):
            number = min(16 * clip.number + place, count - 1)
            shown = clip.pixels[:, place].transpose(1, 2, 0)
            np.testing.assert_array_equal(shown[:height, :width], source[number].rgb)
        np.testing.assert_array_equal(clip.pixels[:, :, height:], clip.pixels[:, :, height - 1 : height].repeat(
            clip.pixels.shape[2] - height, 2))  # fmt: skip
        assert (clip.pixels[..., width:] == clip.pixels[..., width - 1 : width]).all()


def test_sixteen_bits_are_rounded_to_eight() -> None:
    deep = np.array([0, 128, 129, 257, 65535, 65406, 65407], np.uint16)
    assert eight_bit(deep).tolist() == [0, 0, 1, 1, 255, 254, 255]
    every = np.arange(256, dtype=np.uint16) * 257
    assert eight_bit(every).tolist() == list(range(256))


def test_a_group_is_about_five_seconds() -> None:
    assert default_group(Fraction(25), 16) == 8
    assert default_group(None, 16) == 9
    assert default_group(Fraction(1), 16) == 1


def test_small_pictures_are_batched_by_several_segments() -> None:
    assert batch_segments(layout(128, 128), 16, 16 * 320 * 256) == 5
    assert batch_segments(layout(240, 320), 16, 16 * 320 * 256) == 1
    assert batch_segments(layout(1088, 1920), 16, 16 * 320 * 256) == 1
