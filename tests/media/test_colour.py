"""RGB as it should be: against an analytic picture, whose true values between the chroma samples are known."""

import time

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.media.clips import from_planes, make, quadrants, read, sampled
from vtc.media import Colour, float_to_rgb8, render_scene, rgb_to_float
from vtc.media.colour import usual_matrix, yuv_to_rgb16
from vtc.media.convert import FromRgb, ToRgb, colour_of

MATRICES = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (64, 47), (63, 48)])
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("depth", [8, 10])
def test_420_to_rgb_is_exact_to_the_rounding_of_its_planes(
    size: tuple[int, int], matrix: int, full: bool, depth: int
) -> None:
    truth, planes = sampled(*size, *MATRICES[matrix], full=full, depth=depth)
    frame = from_planes(planes, "yuv420p" if depth == 8 else "yuv420p10le", matrix, full)
    rgb = ToRgb(*size, colour_of(frame, size[1]), deep=depth > 8)(frame)
    assert rgb.dtype == (np.uint8 if depth == 8 else np.uint16)
    error = (rgb / np.iinfo(rgb.dtype).max - truth)[4:-4, 4:-4] * 255
    assert np.sqrt((error**2).mean()) < (0.75 if depth == 8 else 0.25)
    assert abs(error).max() < (2.6 if depth == 8 else 1.0)
    assert abs(error.mean((0, 1))).max() < 0.06


def test_chroma_of_jpeg_lies_in_the_middle() -> None:
    truth, planes = sampled(64, 48, *MATRICES[6], full=True, place="center")
    frame = from_planes(planes, "yuvj420p", 6, True)
    rgb = ToRgb(64, 48, colour_of(frame, 48), deep=False, codec="mjpeg")(frame)
    assert np.sqrt((((rgb / 255 - truth)[4:-4, 4:-4] * 255) ** 2).mean()) < 0.75


@pytest.mark.parametrize("pixels", ["yuv444p", "yuv422p", "yuv420p", "yuv411p", "yuv410p", "nv12", "yuv444p10le"])
@pytest.mark.parametrize("size", [(64, 48), (61, 47)])
def test_flat_colours_survive_every_layout(pixels: str, size: tuple[int, int]) -> None:
    width, height = size
    for red, green, blue in [(255, 255, 255), (0, 0, 0), (200, 40, 90), (30, 180, 60)]:
        flat = np.full((height, width, 3), (red, green, blue), np.uint8)
        frame = FromRgb(width, height, pixels, Colour(matrix=1))(flat)
        assert (frame.width, frame.height) == size
        rgb = ToRgb(width, height, colour_of(frame, height), deep=False)(frame)
        assert np.abs(rgb.astype(int) - flat).max() <= 2, (pixels, flat[0, 0], rgb[0, 0])


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
def test_444_there_and_back_is_off_by_one_at_most(matrix: int, full: bool) -> None:
    picture = next(render_scene(96, 64))
    frame = FromRgb(96, 64, "yuv444p", Colour(matrix=matrix, full_range=full))(picture)
    rgb = ToRgb(96, 64, colour_of(frame, 64), deep=False)(frame)
    # Limited range has fewer steps than RGB: two is what the rounding of Y, Cb and Cr alone can make.
    assert np.abs(rgb.astype(int) - picture).max() <= 2
    assert np.abs(rgb.astype(int) - picture).mean() < 0.5


def test_white_and_black_of_ten_bits_are_the_ends_of_sixteen() -> None:
    y = np.array([[64, 940, 64, 940]], np.uint16)
    grey = np.full_like(y, 512)
    rgb = yuv_to_rgb16(y, grey, grey, depth=10, matrix=1, full_range=False)
    assert rgb[0, :, 0].tolist() == [0, 65535, 0, 65535]
    rgb = yuv_to_rgb16(np.array([[0, 1023]], np.uint16), grey[:, :2], grey[:, :2], depth=10, matrix=1, full_range=True)
    assert rgb[0, :, 1].tolist() == [0, 65535]


def test_floats() -> None:
    levels = np.arange(256, dtype=np.uint8)
    values = rgb_to_float(levels)
    assert values.dtype == np.float32 and values[0] == -1 and values[255] == 1
    assert np.array_equal(values, -values[::-1])
    assert np.array_equal(float_to_rgb8(values), levels)
    deep = rgb_to_float(np.array([0, 65535], np.uint16))
    assert deep.tolist() == [-1, 1]
    assert float_to_rgb8(np.array([-9, 9, np.float32(0)], np.float32)).tolist() == [0, 255, 128]


@given(st.floats(-1, 1, width=32))
def test_rounding_is_to_the_nearest(value: float) -> None:
    level = float_to_rgb8(np.array([value], np.float32))[0]
    assert abs(level - (value + 1) * 127.5) <= 0.5001


@pytest.mark.parametrize(("height", "matrix"), [(576, 6), (719, 6), (720, 1), (1080, 1)])
def test_players_rule(height: int, matrix: int) -> None:
    assert usual_matrix(height) == matrix


@pytest.mark.parametrize("height", [48, 720])
def test_untagged_video_follows_the_players_rule_and_says_so(tmp_path: object, height: int) -> None:
    picture = quadrants(64, height)
    path = make(tmp_path / "clip.mp4", [picture] * 2)  # type: ignore[operator]
    source, frames = read(path)
    assert source.info.colour == Colour(matrix=usual_matrix(height), guessed=True)
    assert source.warnings == [f"untagged colour: guessed BT.{'709' if height == 720 else '601'} limited"]
    assert np.abs(frames[0].rgb[5:15, 5:15].astype(int) - picture[5:15, 5:15]).max() <= 2


@pytest.mark.parametrize(
    "colour",
    [
        Colour(1, 1, 1),
        Colour(1, 1, 1, True),
        Colour(6, 6, 6),
        Colour(5, 6, 5),
        Colour(9, 16, 9),
        Colour(1, 13, 1, True),
    ],
)
def test_tags_are_read_and_used(tmp_path: object, colour: Colour) -> None:
    picture = quadrants()
    source, frames = read(make(tmp_path / "clip.mp4", [picture], colour=colour))  # type: ignore[operator]
    assert source.info.colour == colour and source.warnings == []
    for y in (5, 35):
        for x in (5, 50):
            assert np.abs(frames[0].rgb[y : y + 5, x : x + 5].astype(int) - picture[y, x]).max() <= 2


def test_an_rgb_matrix_on_luma_and_chroma_is_not_believed() -> None:
    frame = av.VideoFrame(64, 48, "yuv420p")
    frame.colorspace, frame.color_range = 0, 1
    assert colour_of(frame, 48) == Colour(matrix=6, guessed=True)


def test_speed_of_careful_rgb(capsys: pytest.CaptureFixture[str]) -> None:
    _, planes = sampled(320, 240, *MATRICES[6])
    frame = from_planes(planes, "yuv420p", 6, False)
    convert = ToRgb(320, 240, colour_of(frame, 240), deep=False)
    convert(frame)
    best = 0.0
    for _ in range(3):
        begin = time.process_time()
        for _ in range(30):
            convert(frame)
        best = max(best, 30 / (time.process_time() - begin))
    with capsys.disabled():
        print(f" [RGB of 320x240: {best:.0f} fps]", end="")
    assert best > 500
