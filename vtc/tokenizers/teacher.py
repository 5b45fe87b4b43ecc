"""Teachers: frozen models whose features other features are aligned with (One-DVA's REPA-like loss, DeRA's alignment)."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.tokenizers.displacement import find_fields
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME


class Teacher(Protocol):
    """A frozen model. `channels` of its tokens."""

    channels: int

    def tokens(self, video: Tensor) -> Tensor:
        """Features `[B, N, channels]` of the 4x16x16 patches of `[B, 3, T, H, W]` in [-1, 1], in the order of `patchify`."""
        ...


class StandInTeacher:
    """A weight-free stand-in for an image model such as SigLIP: low DCT coefficients, oriented gradients and temporal differences of
    brightness, per patch, each group normalised. Our choice; wherever it is reported it is called a stand-in."""

    channels = 16 + 8 + 4

    def tokens(self, video: Tensor) -> Tensor:
        grey = video.float().mean(1)  # [B, T, H, W]
        return _joined(*_still(grey), _change(grey))


class AppearanceStandIn:
    """A weight-free stand-in for an image model such as DINO: low DCT coefficients and oriented gradients of brightness."""

    channels = 16 + 8

    def tokens(self, video: Tensor) -> Tensor:
        return _joined(*_still(video.float().mean(1)))


class MotionStandIn:
    """A weight-free stand-in for a video model such as InternVideo: temporal differences of brightness, and the displacement of each patch
    from its first to its last frame, as soft bins along both axes."""

    bins = (-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0, 8.0)
    channels = 4 + 2 * len(bins)

    def tokens(self, video: Tensor) -> Tensor:
        slices = video.unflatten(2, (-1, PATCH_TIME)).transpose(1, 2).flatten(0, 1)  # [B * S, 3, 4, H, W]
        fields = find_fields(slices[:, :, 0], slices[:, :, -1:])[:, 0].unflatten(0, (len(video), -1))  # [B, S, 2, gh, gw]
        marks = torch.tensor(self.bins, device=video.device)
        near = torch.exp(-(fields[..., None] - marks).square() / (1 + marks.abs()))
        return _joined(_change(video.float().mean(1)), near.permute(0, 1, 3, 4, 2, 5).flatten(-2))


def _joined(*parts: Tensor) -> Tensor:
    """Groups of features `[B, S, gh, gw, c]`, each normalised, as tokens."""
    return torch.cat([F.normalize(part, dim=-1) for part in parts], -1).flatten(1, 3)


def _still(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Low DCT coefficients `[B, S, gh, gw, 16]` and oriented gradients `[..., 8]` of the mean pictures of patches, from `[B, T, H, W]`."""
    b, t = grey.shape[:2]
    still = grey.unflatten(1, (t // PATCH_TIME, PATCH_TIME)).mean(2)  # [B, S, H, W]
    cells = F.avg_pool2d(still, PATCH_SIDE // 4)  # 4x4 means a patch
    blocks = cells.unflatten(3, (-1, 4)).unflatten(2, (-1, 4)).transpose(3, 4)  # [B, S, gh, gw, 4, 4]
    k = torch.arange(4, device=grey.device)
    dct = torch.cos(torch.pi / 4 * k[:, None] * (k + 0.5))
    shape = (dct @ blocks @ dct.T).flatten(-2)
    dy = F.pad(still[:, :, 1:] - still[:, :, :-1], (0, 0, 0, 1))
    dx = F.pad(still[:, :, :, 1:] - still[:, :, :, :-1], (0, 1))
    angle = torch.atan2(dy, dx) + torch.pi
    bins = torch.arange(8, device=grey.device).view(8, 1, 1, 1, 1)
    strength = (dx.square() + dy.square()).sqrt() * ((angle * (4 / torch.pi)).long().clamp(max=7) == bins)
    edges = F.avg_pool2d(strength.flatten(0, 1), PATCH_SIDE).unflatten(0, (8, b)).permute(1, 2, 3, 4, 0)
    return shape, edges


def _change(grey: Tensor) -> Tensor:
    """Mean change from each frame of a patch to the next, `[B, S, gh, gw, 4]`."""
    change = F.pad((grey[:, 1:] - grey[:, :-1]).abs(), (0, 0, 0, 0, 0, 1))
    return F.avg_pool2d(change, PATCH_SIDE).unflatten(1, (-1, PATCH_TIME)).permute(0, 1, 3, 4, 2)
