"""LPIPS, version 0.1 (Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric").

A picture goes through AlexNet or VGG-16 as torchvision trained them; five layers' features are scaled to unit length over the channels; the
squared differences of two pictures are weighted by channel (the learned heads), averaged over the positions and added up. Backbone and
heads are files of the user's: the one is torchvision's, the other stands in the wheel of the package `lpips`. That package itself is not
needed; it would bring torchvision along, which fetches weights by itself.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.bench.metrics import Picture
from vtc.bench.weights import find_weights, read_weights
from vtc.errors import BundleError, MediaError

LEAST_SIDE = 32
"""Pixels that the pools of both networks leave something of."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Of R, G, B in [-1, 1], so that they are as the networks' training had them."""


@dataclass(frozen=True)
class Conv:
    """A convolution with ReLU: its place in torchvision's `features`, channels in and out, and its kernel."""

    place: int
    inside: int
    outside: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1


@dataclass(frozen=True)
class Backbone:
    """A network up to its last layer used: stages of convolutions, features taken after each; `pools` lead into those of the stages that
    are numbered in `pooled`, with a window of `window` and a stride of 2. `files`: how its weights are called."""

    title: str
    files: tuple[str, ...]
    stages: tuple[tuple[Conv, ...], ...]
    pooled: tuple[int, ...]
    window: int


BACKBONES = {
    "alex": Backbone(
        "AlexNet",
        ("alexnet.safetensors", "alexnet-owt-7be5be79.pth"),
        ((Conv(0, 3, 64, 11, 4, 2),), (Conv(3, 64, 192, 5, 1, 2),), (Conv(6, 192, 384),), (Conv(8, 384, 256),), (Conv(10, 256, 256),)),
        pooled=(1, 2),
        window=3,
    ),
    "vgg": Backbone(
        "VGG-16",
        ("vgg16.safetensors", "vgg16-397923af.pth"),
        (
            (Conv(0, 3, 64), Conv(2, 64, 64)),
            (Conv(5, 64, 128), Conv(7, 128, 128)),
            (Conv(10, 128, 256), Conv(12, 256, 256), Conv(14, 256, 256)),
            (Conv(17, 256, 512), Conv(19, 512, 512), Conv(21, 512, 512)),
            (Conv(24, 512, 512), Conv(26, 512, 512), Conv(28, 512, 512)),
        ),
        pooled=(1, 2, 3, 4),
        window=2,
    ),
}


def find_files(net: str, given: str | Path | None = None) -> tuple[Path, Path]:
    """Backbone and heads of a network of BACKBONES, in the folder `given` or in the one of VTC_METRIC_WEIGHTS. Raises `Unavailable`."""
    backbone = BACKBONES[net]
    heads = (f"lpips_v0.1/{net}.safetensors", f"lpips_v0.1/{net}.pth")
    return (
        find_weights(f"torchvision's {backbone.title}", backbone.files, given),
        find_weights(f"LPIPS's heads for {backbone.title}", heads, given),
    )


class Lpips:
    """LPIPS on one network. `weights` as torchvision names them (`features.N.weight`; others are passed over), `heads` as `lpips` does
    (`linN.model.1.weight`). Raises `BundleError` when these do not fit."""

    def __init__(self, net: str, weights: dict[str, Tensor], heads: dict[str, Tensor], device: str = "cpu") -> None:
        self._backbone, self._device = BACKBONES[net], device

        def take(tensors: dict[str, Tensor], name: str, shape: tuple[int, ...]) -> Tensor:
            if name not in tensors or tuple(tensors[name].shape) != shape:
                raise BundleError(
                    f"these are not the weights of LPIPS on {self._backbone.title}: {name} is not {list(shape)}",
                    f"the files are {' or '.join(self._backbone.files)}, and the heads of version 0.1",
                )
            return tensors[name].to(device, torch.float32)

        self._convs: dict[int, tuple[Tensor, Tensor]] = {}
        for conv in (conv for stage in self._backbone.stages for conv in stage):
            kernel = take(weights, f"features.{conv.place}.weight", (conv.outside, conv.inside, conv.kernel, conv.kernel))
            self._convs[conv.place] = kernel, take(weights, f"features.{conv.place}.bias", (conv.outside,))
        channels = [stage[-1].outside for stage in self._backbone.stages]
        self._heads = [take(heads, f"lin{i}.model.1.weight", (1, width, 1, 1)) for i, width in enumerate(channels)]

    @classmethod
    def load(cls, net: str, folder: str | Path | None = None, device: str = "cpu") -> "Lpips":
        """From the files that `find_files` finds. Raises `Unavailable`, or `BundleError` for files that are damaged."""
        backbone, heads = find_files(net, folder)
        return cls(net, read_weights(backbone), read_weights(heads), device)

    @torch.inference_mode()
    def __call__(self, first: Picture, second: Picture) -> float:
        """The distance of two pictures uint8 [H, W, 3] in RGB: 0 for equal ones, rarely above 1. Raises `MediaError` for small ones."""
        if min(first.shape[:2]) < LEAST_SIDE:
            raise MediaError(f"no LPIPS of a picture of {first.shape[1]}x{first.shape[0]}", f"its sides must have {LEAST_SIDE} pixels")
        planes = torch.from_numpy(np.stack([first, second])).to(self._device).permute(0, 3, 1, 2).float() / 127.5 - 1
        return float(self.distances(planes[:1], planes[1:]))

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """The same as a loss: of two times float [N, 3, H, W], RGB in [-1, 1], to [N]."""
        planes = torch.cat((first, second))
        x = (planes - planes.new_tensor(_SHIFT)[:, None, None]) / planes.new_tensor(_SCALE)[:, None, None]
        total = x.new_zeros(len(first))
        for number, (stage, head) in enumerate(zip(self._backbone.stages, self._heads)):
            if number in self._backbone.pooled:
                x = F.max_pool2d(x, self._backbone.window, 2)
            for conv in stage:
                x = F.relu(F.conv2d(x, *self._convs[conv.place], stride=conv.stride, padding=conv.padding))
            one, two = (x / (x.square().sum(1, keepdim=True).clamp_min(1e-20).sqrt() + 1e-10)).chunk(2)
            total = total + (head * (one - two).square()).sum(1).mean((1, 2))
        return total
