"""`vtc.open` and `vtc.load`."""

from pathlib import Path

import numpy as np
import pytest
import torch

import vtc
from vtc.errors import BundleError, FormatError, UsageError

pytestmark = pytest.mark.usefixtures("weights")


def test_a_video_is_a_sequence_of_frames(coded: Path, decoded: np.ndarray) -> None:
    with vtc.open(coded) as video:
        assert len(video) == len(video.frames) == 100
        assert (video.width, video.height, video.segments) == (64, 48, 7)
        assert video.duration == pytest.approx(4.0)
        np.testing.assert_array_equal(video.frames[70], decoded[70])
        np.testing.assert_array_equal(video.frames[-1], decoded[-1])
        np.testing.assert_array_equal(video.frames[90:99], decoded[90:99])
        np.testing.assert_array_equal(video.frames[5:40], decoded[5:40])
        np.testing.assert_array_equal(video.frames[60:20:-7], decoded[60:20:-7])
        assert video.frames[50:50].shape == (0, 48, 64, 3)
        with pytest.raises(IndexError):
            video.frames[100]
        np.testing.assert_array_equal(np.stack(list(video.frames)), decoded)


def test_seeking_anywhere_gives_the_frames_of_a_whole_decode(coded: Path, decoded: np.ndarray) -> None:
    for number in (99, 17, 63, 0, 48):
        with vtc.open(coded) as video:
            np.testing.assert_array_equal(video.frames[number], decoded[number])


def test_frames_by_time(coded: Path, decoded: np.ndarray) -> None:
    with vtc.open(coded) as video:
        np.testing.assert_allclose(video.timestamps, np.arange(100) * 0.04)
        for seconds, number in ((0.0, 0), (0.039, 0), (0.04, 1), (2.0, 50), (3.99, 99), (100.0, 99), (-1.0, 0)):
            np.testing.assert_array_equal(video.at(seconds), decoded[number])


def test_tokens_by_segment(coded: Path) -> None:
    with vtc.open(coded) as video:
        tokens = video.tokens(5)
        assert list(tokens) == ["motion", "finer", "partition", "structural", "query"]
        assert tokens["motion"].shape == (4, 3, 4, 3) and tokens["structural"].shape == (4, 3, 4, 24)
        assert tokens["finer"].shape == (4, 3, 4, 1) and tokens["finer"].min() >= 0
        assert tokens["query"].ndim == 2 and tokens["query"].shape[1] == 4
        assert all(array.dtype == np.int32 for array in tokens.values())
        with pytest.raises(IndexError):
            video.tokens(7)


def test_what_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "a.vtc").write_text("hello")
    with pytest.raises(FormatError):
        vtc.open(tmp_path / "a.vtc")


def test_tensors_there_and_back(decoded: np.ndarray) -> None:
    codec = vtc.load("mini")
    clips = torch.from_numpy(decoded[:40, :, :50]).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    batch = torch.cat((clips, clips.flip(2)))
    latents = codec.encode(batch, quality=80)
    assert len(latents.segments) == 2 and len(latents.segments[0]) == 3 and latents.bytes > 0
    assert codec.streams == ("motion", "finer", "partition", "structural", "query")
    assert latents.stream("structural")[0][0].shape == (4, 3, 4, 24)
    back = codec.decode(latents)
    assert back.shape == batch.shape and back.dtype == torch.float32
    assert (back - batch).square().mean() < 0.02
    assert codec.encode(batch[:1], quality=10).bytes < latents.bytes / 2
    with pytest.raises(UsageError, match="batch of clips"):
        codec.encode(batch[0])


def test_a_bundle_that_is_not_there() -> None:
    with pytest.raises(BundleError, match="at hand"):
        vtc.load("nothing")


def test_names_are_loaded_when_used() -> None:
    assert set(vtc.__all__) <= set(dir(vtc))
    for name in vtc.__all__:
        assert getattr(vtc, name) is not None
    with pytest.raises(AttributeError):
        _ = vtc.nothing
