"""LPIPS on random backbones against the package `lpips`, which needs torchvision: where that is missing, two of its networks are built
here as its documentation draws them, for the package to import."""

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from vtc.bench.lpips import BACKBONES, Lpips
from vtc.bench.weights import VARIABLE
from vtc.errors import BundleError, MediaError, Unavailable


def alexnet(**options: object) -> nn.Module:
    """torchvision's AlexNet up to its classifier."""
    features = nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    )  # fmt: skip
    return nn.ModuleDict({"features": features})


def vgg16(**options: object) -> nn.Module:
    """torchvision's VGG-16 up to its classifier."""
    layers: list[nn.Module] = []
    inside = 3
    for outside in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU()] if outside else [nn.MaxPool2d(2, 2)]
        inside = outside or inside
    return nn.ModuleDict({"features": nn.Sequential(*layers)})


DRAWN = {"alex": alexnet, "vgg": vgg16}


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """The package `lpips`."""
    try:
        import torchvision
    except ImportError:
        models = types.ModuleType("torchvision.models")
        for network in (alexnet, vgg16):
            # The package reads `.features`, as of torchvision's classes.
            setattr(models, network.__name__, lambda make=network, **options: types.SimpleNamespace(features=make()["features"]))
        torchvision = types.ModuleType("torchvision")
        torchvision.models = models
        monkeypatch.setitem(sys.modules, "torchvision", torchvision)
        monkeypatch.setitem(sys.modules, "torchvision.models", models)
    before = set(sys.modules)
    yield pytest.importorskip("lpips", reason="pip install --no-deps lpips tqdm", exc_type=ImportError)
    for name in set(sys.modules) - before:
        if name.split(".")[0] == "lpips":  # it may hold the networks above, which are of this test alone
            del sys.modules[name]


@pytest.fixture(params=sorted(BACKBONES))
def net(request: pytest.FixtureRequest) -> str:
    return request.param


def parts(net: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A random backbone and random heads, none negative."""
    torch.manual_seed(0)
    heads = {f"lin{i}.model.1.weight": torch.rand(1, stage[-1].outside, 1, 1) for i, stage in enumerate(BACKBONES[net].stages)}
    return DRAWN[net]().state_dict(), heads


def pictures(height: int = 72, width: int = 88) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, the same with a little noise, and with much."""
    rng = np.random.default_rng(2)
    base = rng.integers(0, 256, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    noise = rng.normal(size=base.shape)
    return tuple(np.clip(base + sigma * noise, 0, 255).astype(np.uint8) for sigma in (0, 8, 50))


def test_it_is_the_packages(net: str, package: types.ModuleType, tmp_path: Path) -> None:
    theirs = package.LPIPS(net=net, pnet_rand=True, verbose=False)
    # The package's stages keep the places of the layers in torchvision's network.
    weights = {f"features.{name.split('.', 1)[1]}": tensor for name, tensor in theirs.net.state_dict().items()}
    heads = {name: tensor for name, tensor in theirs.state_dict().items() if name.startswith("lin") and not name.startswith("lins")}
    save_file(weights, tmp_path / BACKBONES[net].files[0])
    (tmp_path / "lpips_v0.1").mkdir()
    torch.save(heads, tmp_path / "lpips_v0.1" / f"{net}.pth")
    ours = Lpips.load(net, tmp_path)
    first, *others = pictures()
    for second in others:
        planes = [torch.from_numpy(picture).permute(2, 0, 1)[None] / 127.5 - 1 for picture in (first, second)]
        with torch.no_grad():
            expected = float(theirs(*planes))
        assert expected > 1e-3
        assert ours(first, second) == pytest.approx(expected, abs=1e-4, rel=1e-4)


def test_it_is_zero_for_equal_pictures_and_grows_with_noise(net: str) -> None:
    distance = Lpips(net, *parts(net))
    first, little, much = pictures()
    assert distance(first, first) == 0
    assert 0 < distance(first, little) < distance(first, much)
    assert distance(little, first) == pytest.approx(distance(first, little))


def test_the_smallest_picture(net: str) -> None:
    distance = Lpips(net, *parts(net))
    small = np.zeros((32, 32, 3), np.uint8)
    assert distance(small, small) == 0
    with pytest.raises(MediaError, match="40x31"):
        distance(np.zeros((31, 40, 3), np.uint8), np.zeros((31, 40, 3), np.uint8))


def test_files_that_are_missing_are_named(net: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights, heads = parts(net)
    with pytest.raises(Unavailable, match=rf"needs torchvision's {BACKBONES[net].title}: .*not in {tmp_path}"):
        Lpips.load(net, tmp_path)
    torch.save(weights, tmp_path / BACKBONES[net].files[1])
    with pytest.raises(Unavailable, match=rf"needs LPIPS's heads for {BACKBONES[net].title}: lpips_v0.1/{net}"):
        Lpips.load(net, tmp_path)
    (tmp_path / "lpips_v0.1").mkdir()
    save_file(heads, tmp_path / "lpips_v0.1" / f"{net}.safetensors")
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    Lpips.load(net)


def test_other_weights_are_refused(net: str, tmp_path: Path) -> None:
    weights, heads = parts(net)
    with pytest.raises(BundleError, match=r"lin2\.model\.1\.weight"):
        Lpips(net, weights, heads | {"lin2.model.1.weight": torch.zeros(3)})
    with pytest.raises(BundleError, match=r"features\.0\.weight"):
        Lpips(net, {}, heads)


def test_a_checkpoint_that_would_run_something_is_refused(tmp_path: Path) -> None:
    torch.save({"features.0.weight": Path("x")}, tmp_path / BACKBONES["alex"].files[1])
    (tmp_path / "lpips_v0.1").mkdir()
    save_file(parts("alex")[1], tmp_path / "lpips_v0.1" / "alex.safetensors")
    with pytest.raises(BundleError, match="cannot read the weights"):
        Lpips.load("alex", tmp_path)
