"""A feature distance between pictures: how far apart they are to a network that was trained to recognise things.

The network is SqueezeNet 1.0 (Iandola et al. 2016) as trained in Caffe; its weights are a file of the user's, since they do not come with
this program. Of a picture's ReLU outputs of conv1 and fire2 to fire9 each position is scaled to unit length over the channels. The
distance of two pictures is the squared distance of those vectors, mean over the positions, then over the nine layers: 0 for equal
pictures, at most 2. It has the form of LPIPS but neither its networks nor its calibrated heads, so it must not be
called that.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vtc.bench.weights import find_weights, read_weights
from vtc.errors import BundleError, MediaError

FILE = "squeezenet1_0_caffe_fp16.safetensors"

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


def find_file(given: str | Path | None = None) -> Path:
    """FILE in the folder `given`, or in the one that VTC_METRIC_WEIGHTS names. Raises `Unavailable`."""
    return find_weights("the weights of SqueezeNet 1.0", [FILE], given)


class FeatureNet:
    """SqueezeNet up to fire9. `FeatureNet.load(path)` reads a safetensors file."""

    def __init__(self, weights: dict[str, Tensor], device: str = "cpu") -> None:
        for name, shape in shapes().items():
            if name not in weights or tuple(weights[name].shape) != shape:
                raise BundleError(f"these are not the weights of SqueezeNet 1.0: {name} is not {list(shape)}", f"the file is {FILE}")
        self._weights = {name: weights[name].float().to(device) for name in shapes()}
        self._device = device

    @classmethod
    def load(cls, path: str | Path | None = None, device: str = "cpu") -> "FeatureNet":
        """From FILE, which `find_weights` finds. Raises `Unavailable`, or `BundleError` for a file that is damaged."""
        return cls(read_weights(find_file(path)), device)

    @torch.inference_mode()
    def features(self, pictures: NDArray[np.uint8]) -> list[Tensor]:
        """The nine layers of pictures uint8 [N, H, W, 3] in RGB, each float32 [N, C, h, w] of unit length over C (or zero)."""
        if pictures.ndim != 4 or min(pictures.shape[1:3]) < _LEAST_SIDE:
            raise MediaError(f"no features of pictures of shape {pictures.shape}", f"sides of {_LEAST_SIDE} pixels or more are needed")
        planes = torch.from_numpy(np.ascontiguousarray(pictures[..., ::-1])).to(self._device).permute(0, 3, 1, 2).float()
        return self.layers(planes)

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """`distance` as a loss: of two times float [N, 3, H, W], RGB in [-1, 1], to [N]."""
        layers = zip(*(self.layers((pictures.flip(1) + 1) * 127.5) for pictures in (first, second)))
        return torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in layers]).mean(0)

    def layers(self, planes: Tensor) -> list[Tensor]:
        """`features` of planes float [N, 3, H, W], B, G, R in 0..255."""
        x = F.relu(self._conv("conv1", planes - planes.new_tensor(_MEAN)[:, None, None], stride=2))
        layers = []
        for number in range(1, 10):
            x = self._fire(number, x) if number > 1 else x
            # The root has no slope at zero: the floor stands inside of it, too low to be seen.
            layers.append(x / x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt())
            if number in _POOLED:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        return layers

    def distance(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The distance of each pair of pictures: two times uint8 [N, H, W, 3] to float64 [N] in [0, 2]."""
        if first.shape != second.shape:
            raise MediaError(f"pictures of shapes {first.shape} and {second.shape} cannot be compared", "bring both to one size")
        layers = zip(self.features(first), self.features(second))
        apart = torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in layers])
        return apart.double().mean(0).cpu().numpy()

    def _fire(self, number: int, x: Tensor) -> Tensor:
        squeezed = F.relu(self._conv(f"fire{number}.squeeze", x))
        flat = self._conv(f"fire{number}.expand1x1", squeezed)
        wide = self._conv(f"fire{number}.expand3x3", squeezed, padding=1)
        return F.relu(torch.cat((flat, wide), 1))

    def _conv(self, name: str, x: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        return F.conv2d(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"], stride, padding)
