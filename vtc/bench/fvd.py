"""FVD (Unterthiner et al. 2018): the Fréchet distance between two sets of videos, in the logits of I3D trained on Kinetics-400.

The network is the TorchScript file that the field shares, `i3d_torchscript.pt`; it is a file of the user's. Frames are scaled to 224×224
(bilinear) and to [-1, 1], as the original does.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from vtc.bench.metrics import Picture
from vtc.bench.weights import find_weights
from vtc.errors import BundleError, MediaError

FILE = "i3d_torchscript.pt"
SIDE = 224
LEAST_FRAMES = 10
"""Of a video: the pools of I3D leave nothing of fewer."""


def find_file(given: str | Path | None = None) -> Path:
    """FILE in the folder `given`, or in the one that VTC_METRIC_WEIGHTS names. Raises `Unavailable`."""
    return find_weights("I3D trained on Kinetics-400", [FILE], given)


class I3D:
    """The network; `I3D.load(folder)` reads it."""

    def __init__(self, network: torch.jit.ScriptModule, device: str = "cpu") -> None:
        self._network, self._device = network.eval(), device

    @classmethod
    def load(cls, folder: str | Path | None = None, device: str = "cpu") -> "I3D":
        """From the file that `find_file` finds. Raises `Unavailable`, or `BundleError` for a file that is damaged."""
        path = find_file(folder)
        try:
            return cls(torch.jit.load(path, map_location=device), device)
        except (RuntimeError, ValueError) as problem:
            raise BundleError(f"cannot read {path}: {problem}", "fetch the file again") from problem

    @torch.inference_mode()
    def scaled(self, picture: Picture) -> Tensor:
        """A picture uint8 [H, W, 3] in RGB as the network takes it: float32 [3, 224, 224] in [-1, 1]."""
        planes = torch.from_numpy(picture).to(self._device).permute(2, 0, 1)[None].float()
        return F.interpolate(planes, (SIDE, SIDE), mode="bilinear")[0] / 127.5 - 1

    @torch.inference_mode()
    def logits(self, frames: Sequence[Tensor]) -> NDArray[np.float32]:
        """The logits of one video of `scaled` frames, `LEAST_FRAMES` or more: float32 [400]."""
        if len(frames) < LEAST_FRAMES:
            raise MediaError(f"no FVD of a video of {len(frames)} frames", f"it must have {LEAST_FRAMES}")
        found = self._network(torch.stack(list(frames), 1)[None], rescale=False, resize=False, return_features=True)
        return found[0].float().cpu().numpy()


def frechet_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """The Fréchet distance of two normal distributions with the means and covariances of two sets of features [N, C], N of 2 or more.

    |m1 - m2|² + tr(S1 + S2 - 2 (S1 S2)^½), the covariances being those with N - 1. The trace of the root is the sum of the singular values
    of A Bᵀ, where S1 = Aᵀ A and S2 = Bᵀ B: no covariance is formed and no root of a matrix taken, so sets smaller than C, whose
    covariances are singular, are no trouble. Raises `MediaError` for sets of one.
    """
    if min(len(first), len(second)) < 2:
        raise MediaError("a Fréchet distance is taken between sets of two videos or more", "measure more clips")
    means, spreads = [], []
    factors: list[NDArray[np.float64]] = []
    for features in (first, second):
        exact = np.asarray(features, np.float64)
        means.append(exact.mean(0))
        centred = (exact - means[-1]) / np.sqrt(len(exact) - 1)
        spreads.append(np.square(centred).sum())
        factors.append(np.asarray(np.linalg.qr(centred, mode="r")))  # at most [C, C], of the same covariance
    shared = np.linalg.svd(factors[0] @ factors[1].T, compute_uv=False).sum()
    return max(0.0, float(np.square(means[0] - means[1]).sum() + spreads[0] + spreads[1] - 2 * shared))
