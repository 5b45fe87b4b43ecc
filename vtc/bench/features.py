"""A feature distance between pictures: how far apart they are to a network that was trained to recognise things.

The network is SqueezeNet 1.0 (Iandola et al. 2016) as trained in Caffe; its weights are a file of the user's, since they do not come with
this program. Of a picture's ReLU outputs of conv1 and fire2 to fire9 each position is scaled to unit length over the channels. The
distance of two pictures is the squared distance of those vectors, mean over the positions, then over the nine layers: 0 for equal
pictures, at most 2. It has the form of LPIPS but neither its networks nor its calibrated heads, so it must not be
called that.
"""

import os
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vtc.errors import BundleError, MediaError

FILE = "squeezenet1_0_caffe_fp16.safetensors"
VARIABLE = "VTC_METRIC_WEIGHTS"

FIRE = {2: (96, 16, 64), 3: (128, 16, 64), 4: (128, 32, 128), 5: (256, 32, 128), 6: (256, 48, 192), 7: (384, 48, 192), 8: (384, 64, 256),
        9: (512, 64, 256)}  # fmt: skip
"""Of every fire module: channels in, squeezed, and of each of its two expansions."""

_POOLED = (1, 4, 8)
"""Layers that a max pool follows."""

_MEAN = (104.0, 117.0, 123.0)
"""Of B, G, R in 0..255: what the network's training subtracted."""

_LEAST_SIDE = 64


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights that are used; a file may hold more (the classifier conv10)."""
    found: dict[str, tuple[int, ...]] = {"conv1.weight": (96, 3, 7, 7), "conv1.bias": (96,)}
    for number, (inside, squeezed, expanded) in FIRE.items():
        for part, shape in {
            "squeeze": (squeezed, inside, 1, 1),
            "expand1x1": (expanded, squeezed, 1, 1),
            "expand3x3": (expanded, squeezed, 3, 3),
        }.items():
            found[f"fire{number}.{part}.weight"] = shape
            found[f"fire{number}.{part}.bias"] = shape[:1]
    return found


def find_weights(given: str | Path | None = None) -> Path:
    """The weights: `given`, else what VTC_METRIC_WEIGHTS names; a file, or the folder of one with its usual name. Raises `BundleError`."""
    named = str(given or os.environ.get(VARIABLE, ""))
    if not named:
        raise BundleError("the feature distance needs the weights of SqueezeNet 1.0", f"name {FILE} in {VARIABLE}")
    path = Path(named).expanduser()
    path = path / FILE if path.is_dir() else path
    if not path.is_file():
        raise BundleError(f"no weights of SqueezeNet 1.0 at {path}", f"name {FILE} or its folder in {VARIABLE}")
    return path


class FeatureNet:
    """SqueezeNet up to fire9. `FeatureNet.load(path)` reads a safetensors file."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        for name, shape in shapes().items():
            if name not in weights or tuple(weights[name].shape) != shape:
                raise BundleError(f"these are not the weights of SqueezeNet 1.0: {name} is not {list(shape)}", f"the file is {FILE}")
        self._weights = {name: weights[name].float() for name in shapes()}

    @classmethod
    def load(cls, path: str | Path | None = None) -> "FeatureNet":
        """From the file that `find_weights(path)` finds. Raises `BundleError`."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        found = find_weights(path)
        try:
            return cls(load_file(found))
        except (SafetensorError, OSError) as problem:
            raise BundleError(f"cannot read the weights {found}: {problem}", f"the file is {FILE}") from problem

    @torch.inference_mode()
    def features(self, pictures: NDArray[np.uint8]) -> list[Tensor]:
        """The nine layers of pictures uint8 [N, H, W, 3] in RGB, each float32 [N, C, h, w] of unit length over C (or zero)."""
        if pictures.ndim != 4 or min(pictures.shape[1:3]) < _LEAST_SIDE:
            raise MediaError(f"no features of pictures of shape {pictures.shape}", f"sides of {_LEAST_SIDE} pixels or more are needed")
        planes = torch.from_numpy(np.ascontiguousarray(pictures[..., ::-1])).permute(0, 3, 1, 2).float()
        x = F.relu(self._conv("conv1", planes - torch.tensor(_MEAN)[:, None, None], stride=2))
        layers = []
        for number in range(1, 10):
            x = self._fire(number, x) if number > 1 else x
            length = x.square().sum(1, keepdim=True).sqrt()
            layers.append(x / length.clamp_min(1e-10))
            if number in _POOLED:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return layers

    def distance(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The distance of each pair of pictures: two times uint8 [N, H, W, 3] to float64 [N] in [0, 2]."""
        if first.shape != second.shape:
            raise MediaError(f"pictures of shapes {first.shape} and {second.shape} cannot be compared", "bring both to one size")
        layers = zip(self.features(first), self.features(second))
        apart = torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in layers])
        return apart.double().mean(0).numpy()

    def _fire(self, number: int, x: Tensor) -> Tensor:
        squeezed = F.relu(self._conv(f"fire{number}.squeeze", x))
        flat = self._conv(f"fire{number}.expand1x1", squeezed)
        wide = self._conv(f"fire{number}.expand3x3", squeezed, padding=1)
        return F.relu(torch.cat((flat, wide), 1))

    def _conv(self, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], stride, padding)
