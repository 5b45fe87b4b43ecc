"""What a protocol takes of a clip: which frames, which part, which size, and nothing lost on the way to the codecs."""

from pathlib import Path

import numpy as np
import pytest

from tests.bench.clips import scene, write
from vtc.bench.prepare import Protocol, TooShort, prepare, protocol_of
from vtc.errors import UsageError
from vtc.media.scaling import Scaler


def taken(path: Path, protocol: Protocol, tmp_path: Path) -> np.ndarray:
    clip = prepare(path, protocol, tmp_path / "prepared.mp4")
    pictures = np.stack(list(clip.pictures()))
    assert pictures.shape == (clip.frames, clip.height, clip.width, 3)
    return pictures


def test_the_square_is_cut_where_the_protocol_says(tmp_path: Path) -> None:
    pictures = scene(96, 64, 4)
    path = write(tmp_path / "a.mkv", pictures)
    assert np.array_equal(taken(path, Protocol(64, 4), tmp_path), np.stack(pictures)[:, :, 16:80])
    assert np.array_equal(taken(path, Protocol(64, 3, "top-left"), tmp_path), np.stack(pictures)[:3, :, :64])
    assert np.array_equal(taken(path, Protocol(None, None), tmp_path), np.stack(pictures))


def test_the_short_side_is_scaled(tmp_path: Path) -> None:
    pictures = scene(96, 64, 2)
    path = write(tmp_path / "a.mkv", pictures)
    half, double = taken(path, Protocol(32, 2, "top-left"), tmp_path), taken(path, Protocol(128, 2), tmp_path)
    assert half.shape == (2, 32, 32, 3) and double.shape == (2, 128, 128, 3)
    # By the area: a pixel is the mean of those that it covers, but for the rounding on FFmpeg's way through luma and chroma.
    means = pictures[0].reshape(32, 2, 48, 2, 3).mean((1, 3))[:, :32]
    assert np.abs(half[0] - means).mean() < 1
    assert np.abs(Scaler(64, 64)(double[0]).astype(int) - pictures[0][:, 16:80]).mean() < 3


def test_odd_sides_lose_a_line_at_their_own_size(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", scene(97, 63, 2))
    assert taken(path, Protocol(None, 2), tmp_path).shape == (2, 62, 96, 3)


def test_y4m_is_read_as_it_is(tmp_path: Path) -> None:
    pictures = scene(64, 64, 3)
    found = taken(write(tmp_path / "a.y4m", pictures), Protocol(64, None), tmp_path)
    assert np.abs(found.astype(int) - np.stack(pictures)).mean() < 1


def test_a_clip_that_is_too_short_is_not_taken_and_leaves_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", scene(64, 64, 3))
    with pytest.raises(TooShort, match="3 of 4"):
        prepare(path, Protocol(64, 4), tmp_path / "prepared.mp4")
    assert [item.name for item in tmp_path.iterdir()] == ["a.mkv"]


def test_protocols_by_the_words_of_the_command_line() -> None:
    assert protocol_of("128", "16", "centre").name == "128, 16 frames"
    assert protocol_of("own", "all", "centre").name == "own size, all frames"
    assert protocol_of("128", "80", "top-left").name == "128, 80 frames, top-left"
    texts = {protocol_of(size, frames, crop).text for size in ("128", "own") for frames in ("16", "all") for crop in ("centre", "top-left")}
    assert len(texts) == 6  # there is no crop at a clip's own size
    for words in (("127", "16", "centre"), ("x", "16", "centre"), ("128", "0", "centre"), ("128", "-1", "centre"), ("128", "16", "left")):
        with pytest.raises(UsageError):
            protocol_of(*words)
