"""The feature distance on random weights of the right shapes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vtc.bench.features import FILE, FeatureNet, find_file, shapes
from vtc.bench.weights import VARIABLE
from vtc.errors import BundleError, MediaError, Unavailable

rng = np.random.default_rng(1)


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {name: torch.randn(shape) / max(np.prod(shape[1:]), 1) ** 0.5 for name, shape in shapes().items()}


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    small = rng.integers(0, 256, (2, 12, 14, 3), np.uint8)
    return small.repeat(6, 1).repeat(6, 2)


def test_layers_have_the_channels_of_the_paper_and_unit_length(weights: dict[str, torch.Tensor], pictures: np.ndarray) -> None:
    layers = FeatureNet(weights).features(pictures)
    assert [layer.shape[1] for layer in layers] == [96, 128, 128, 256, 256, 384, 384, 512, 512]
    assert layers[0].shape == (2, 96, 33, 39)  # (72 - 7) / 2 + 1 and (84 - 7) / 2 + 1: no padding
    for layer in layers:
        length = layer.square().sum(1)
        assert torch.isclose(length, torch.ones(()), atol=1e-4).logical_or(length == 0).all()


def test_equal_pictures_are_at_distance_zero_and_noise_takes_them_apart(
    weights: dict[str, torch.Tensor], pictures: np.ndarray
) -> None:
    net = FeatureNet(weights)
    noise = rng.normal(0, 1, pictures.shape)
    little, much = (np.clip(pictures + sigma * noise, 0, 255).astype(np.uint8) for sigma in (8, 64))
    assert net.distance(pictures, pictures).tolist() == [0, 0]
    near, far = net.distance(pictures, little), net.distance(pictures, much)
    assert near.shape == (2,)
    assert (near > 0).all()
    assert (far > near).all()
    assert (far <= 2).all()
    assert net.distance(little, pictures) == pytest.approx(near)


def test_the_distance_is_its_definition(weights: dict[str, torch.Tensor], pictures: np.ndarray) -> None:
    net = FeatureNet(weights)
    first, second = pictures[:1], pictures[1:]
    apart = [np.mean(np.sum((a - b).numpy() ** 2, 1)) for a, b in zip(net.features(first), net.features(second))]
    assert net.distance(first, second) == pytest.approx([np.mean(apart)], rel=1e-5)


def test_colours_enter_as_blue_green_red(weights: dict[str, torch.Tensor]) -> None:
    only_blue = {name: torch.zeros_like(tensor) for name, tensor in weights.items()}
    only_blue["conv1.weight"][0, 0] = 1.0
    only_blue["conv1.bias"][1] = 1.0
    red, blue = np.zeros((2, 1, 64, 64, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    layers = {name: FeatureNet(only_blue).features(picture)[0] for name, picture in {"red": red, "blue": blue}.items()}
    assert layers["red"][:, 0].max() == 0  # below the mean of blue
    assert layers["blue"][:, 0].min() > 0.99


def test_weights_are_found_or_asked_for(
    weights: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(Unavailable, match=f"needs the weights of SqueezeNet.*{VARIABLE}"):
        find_file()
    with pytest.raises(Unavailable, match=f"needs the weights of SqueezeNet.*not in {tmp_path}"):
        find_file(tmp_path)
    save_file({name: tensor.half() for name, tensor in weights.items()}, tmp_path / FILE)
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    assert find_file() == find_file(tmp_path / FILE) == tmp_path / FILE
    FeatureNet.load()


def test_other_weights_are_refused(weights: dict[str, torch.Tensor], tmp_path: Path, pictures: np.ndarray) -> None:
    other = {**weights, "fire5.squeeze.weight": torch.zeros(3)}
    with pytest.raises(BundleError, match=r"fire5\.squeeze\.weight"):
        FeatureNet(other)
    (tmp_path / FILE).write_text("no tensors")
    with pytest.raises(BundleError, match="cannot read"):
        FeatureNet.load(tmp_path)
    with pytest.raises(MediaError, match="64 pixels"):
        FeatureNet(weights).features(pictures[:, :40])
    with pytest.raises(MediaError, match="compared"):
        FeatureNet(weights).distance(pictures, pictures[:1])
