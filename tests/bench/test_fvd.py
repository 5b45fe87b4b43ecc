"""The Fréchet distance against its definition, and FVD through a stand-in for I3D: a TorchScript network of the same call."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.bench.fvd import FILE, I3D, frechet_distance
from vtc.bench.measure import open_metrics
from vtc.bench.weights import VARIABLE, file_hash
from vtc.errors import BundleError, MediaError

rng = np.random.default_rng(4)


def features(count: int, width: int) -> np.ndarray:
    return rng.normal(size=(count, width)) @ rng.normal(size=(width, width)) + rng.normal(size=width)


@pytest.mark.parametrize(("count", "width"), [(500, 20), (9, 40)], ids=["many", "fewer than they are wide"])
def test_a_set_is_at_no_distance_from_itself_and_noise_takes_it_apart(count: int, width: int) -> None:
    first = features(count, width)
    scale = np.square(first).sum(1).mean()
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-12 * scale)
    noise = rng.normal(size=first.shape)
    distances = [frechet_distance(first, first + sigma * noise) for sigma in (0.1, 0.3, 1, 3)]
    assert distances == sorted(distances)
    assert distances[0] > 0


def test_it_is_the_definition_with_a_root_of_a_matrix() -> None:
    linalg = pytest.importorskip("scipy.linalg", reason="scipy comes with the bench extra")
    first, second = features(400, 12), features(300, 12)
    covariances = [np.cov(each, rowvar=False) for each in (first, second)]
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    apart = np.square(first.mean(0) - second.mean(0)).sum()
    assert frechet_distance(first, second) == pytest.approx(apart + np.trace(covariances[0] + covariances[1] - 2 * root), rel=1e-9)


@given(st.integers(2, 6), st.integers(2, 6), st.floats(-50, 50))
@settings(max_examples=40, deadline=None)
def test_it_is_symmetric_and_a_shift_adds_its_square(first: int, second: int, shift: float) -> None:
    one, other = features(first, 5), features(second, 5)
    there, back = frechet_distance(one, other), frechet_distance(other, one)
    assert there == pytest.approx(back, rel=1e-9, abs=1e-9)
    assert frechet_distance(one, one + shift) == pytest.approx(5 * shift**2, abs=1e-8)


def test_one_video_is_no_set() -> None:
    with pytest.raises(MediaError, match="two videos"):
        frechet_distance(features(1, 5), features(4, 5))


class Standin(torch.nn.Module):
    """Called as I3D's TorchScript is; its four logits are means of colours and a change in time."""

    def forward(self, x: torch.Tensor, rescale: bool, resize: bool, return_features: bool) -> torch.Tensor:
        assert not rescale and not resize and return_features
        assert x.shape[1] == 3 and x.shape[3] == 224 and x.shape[4] == 224
        return torch.cat([x.mean([2, 3, 4]), (x[:, :, 1:] - x[:, :, :-1]).abs().mean([1, 2, 3, 4])[:, None]], 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("i3d")
    torch.jit.script(Standin()).save(folder / FILE)
    return folder


def test_frames_reach_the_network_as_the_original_scales_them(folder: Path) -> None:
    frames = [np.full((40, 60, 3), (255, 51 * (t % 2), 0), np.uint8) for t in range(10)]
    net = I3D.load(folder)
    scaled = [net.scaled(frame) for frame in frames]
    assert net.logits(scaled) == pytest.approx([1, 0.2 - 1, -1, 0.4 / 3], abs=1e-5)
    with pytest.raises(MediaError, match="9 frames"):
        net.logits(scaled[:9])


def test_of_each_clip_the_first_frames_count(folder: Path) -> None:
    metrics = open_metrics(["fvd", "psnr"], folder, fvd_frames=12)
    assert metrics.hashes == {"fvd": file_hash(folder / FILE)}
    clip = [rng.integers(0, 256, (32, 32, 3), np.uint8) for _ in range(14)]
    changed = clip[:12] + [255 - frame for frame in clip[12:]]
    found = metrics.measure(clip, changed)
    assert found.i3d is not None
    assert found.i3d.shape == (2, 4)
    net = I3D.load(folder)
    assert found.i3d[0].tolist() == found.i3d[1].tolist() == net.logits([net.scaled(frame) for frame in clip[:12]]).tolist()
    short = metrics.measure(clip[:11], clip[:11])
    assert short.i3d is None
    assert "11 frames" in short.unavailable["fvd"]
    few = open_metrics(["fvd"], folder, fvd_frames=4).measure(clip, changed)
    assert few.i3d is None
    assert "no FVD of a video of 4 frames" in few.unavailable["fvd"]


def test_a_network_that_is_missing_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    metrics = open_metrics(["fvd"], tmp_path)
    assert f"needs I3D trained on Kinetics-400: {FILE}" in metrics.unavailable["fvd"]
    (tmp_path / FILE).write_bytes(b"no archive")
    with pytest.raises(BundleError, match="cannot read"):
        open_metrics(["fvd"], tmp_path)
