"""Raw files are read by their names, and refused with the reason where these do not tell enough."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.clips import read
from vtc.errors import MediaError
from vtc.media import render_scene
from vtc.media.planes import ToPlanes
from vtc.media.raw import raw_options


def options(name: str) -> tuple[str, str, str] | None:
    found = raw_options(name)
    return None if found is None else (found["video_size"], found["pixel_format"], found["framerate"])


@pytest.mark.parametrize(
    ("name", "size", "pixels", "rate"),
    [
        ("foo_352x288_30.yuv", "352x288", "yuv420p", "30"),
        ("foo_352x288.yuv", "352x288", "yuv420p", "25"),
        ("Beauty_1920x1080_120fps_420_8bit_YUV.yuv", "1920x1080", "yuv420p", "120"),
        ("Jockey_3840x2160_120fps_420_10bit_YUV.yuv", "3840x2160", "yuv420p10le", "120"),
        ("akiyo_qcif.yuv", "176x144", "yuv420p", "25"),
        ("akiyo_cif_29.97.yuv", "352x288", "yuv420p", "29.97"),
        ("x_64x64_yuv444.yuv", "64x64", "yuv444p", "25"),
        ("30_clip_64x48_50hz_422.YUV", "64x48", "yuv422p", "50"),
        ("park_1280x720p_60.yuv", "1280x720", "yuv420p", "60"),
    ],
)
def test_the_name_tells(name: str, size: str, pixels: str, rate: str) -> None:
    assert options(name) == (size, pixels, rate)


def test_other_files_are_none_of_its_business() -> None:
    assert raw_options("foo_352x288_30.y4m") is None


@pytest.mark.parametrize("name", ["foo.yuv", "foo_30.yuv", "foo_64x64_9bit.yuv", "cifar.yuv"])
def test_a_name_that_does_not_tell_is_an_error(name: str) -> None:
    with pytest.raises(MediaError):
        raw_options(name)


def test_a_raw_file_is_read_as_it_is(tmp_path: Path) -> None:
    path, convert = tmp_path / "scene_96x64_20.yuv", ToPlanes(96, 64)
    planes = [convert(picture) for picture in render_scene(96, 64, 5)]
    path.write_bytes(b"".join(plane.tobytes() for picture in planes for plane in picture))
    source, frames = read(path)
    assert (source.info.width, source.info.height, source.info.frame_rate, len(frames)) == (96, 64, Fraction(20), 5)
    for frame, picture in zip(frames, render_scene(96, 64, 5)):
        assert np.abs(frame.rgb.astype(int) - picture).mean() < 4


def test_a_file_of_another_length_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "scene_96x64_20.yuv"
    path.write_bytes(bytes(96 * 64 * 3 // 2 + 1))
    with pytest.raises(MediaError, match="not a whole number"):
        read(path)
