"""Patches: a clip cut into blocks of 4 frames x 16 x 16 pixels, each one vector, and back."""

import torch
from torch import Tensor

PATCH_TIME = 4
PATCH_SIDE = 16
PATCH_SIZE = 3 * PATCH_TIME * PATCH_SIDE * PATCH_SIDE


def patchify(clip: Tensor, time: int = PATCH_TIME) -> Tensor:
    """`[B, 3, T, H, W]` to `[B, T/time, H/16, W/16, 768 time]`; inside a patch the order is (channel, frame, row, column)."""
    b, c, t, h, w = clip.shape
    blocks = clip.reshape(b, c, t // time, time, h // PATCH_SIDE, PATCH_SIDE, w // PATCH_SIDE, PATCH_SIDE)
    grid = (b, t // time, h // PATCH_SIDE, w // PATCH_SIDE)
    return blocks.permute(0, 2, 4, 6, 1, 3, 5, 7).reshape(*grid, -1)


def unpatchify(patches: Tensor, time: int = PATCH_TIME) -> Tensor:
    """The inverse of `patchify`: `[B, S, gh, gw, 768 time]` to `[B, 3, time S, 16gh, 16gw]`."""
    b, s, gh, gw, _ = patches.shape
    blocks = patches.reshape(b, s, gh, gw, 3, time, PATCH_SIDE, PATCH_SIDE)
    return blocks.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(b, 3, s * time, gh * PATCH_SIDE, gw * PATCH_SIDE)


def to_float(frames: Tensor) -> Tensor:
    """uint8 0..255 to float32 in [-1, 1]."""
    return frames.float().mul_(1 / 127.5).sub_(1)


def as_float(clip: Tensor) -> Tensor:
    """A clip in [-1, 1], whether it is that already or uint8."""
    return to_float(clip) if clip.dtype == torch.uint8 else clip


def to_uint8(clip: Tensor) -> Tensor:
    """Float in [-1, 1] (anything beyond is clipped) to uint8, rounded to the nearest."""
    return clip.float().add(1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
