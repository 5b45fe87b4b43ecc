"""Displacement of a picture's patches against a key frame: found by block search, carried between frames, used for warping.

A field is `[..., 2, gh, gw]` in pixels (row, column): the content of a patch at place p of a frame stands at p + field in the key frame.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.layers.patch import to_uint8


@torch.no_grad()
def find_fields(key: Tensor, frames: Tensor) -> Tensor:
    """Fields float32 `[B, N, 2, gh, gw]`, half a pixel fine, of frames `[B, 3, N, H, W]` against key frames `[B, 3, H, W]` in [-1, 1]."""
    found = []
    for own_key, own_frames in zip(key, frames, strict=True):
        last = motion.luma(to_uint8(own_key))
        doubled = motion.double(last[None])
        pictures = motion.luma(to_uint8(own_frames))
        found.append(torch.stack([motion.search(p[None], last, doubled, frames=(3,)) for p in pictures]))
    return torch.stack(found).movedim(-1, 2) / -2.0


def between(fields: Tensor, at: Tensor, when: Tensor) -> Tensor:
    """Fields `[B, N, 2, gh, gw]` at times `when [B, N]` from those `[B, G, 2, gh, gw]` at times `at [B, G]`, linear between neighbours and
    constant behind the last. Times are in frames from the key frame, which has no displacement."""
    gh, gw = fields.shape[3:]
    known = F.pad(fields.flatten(2), (0, 0, 0, 1))  # the key frame, at time 0
    times, order = F.pad(at.float(), (0, 1)).sort(1)
    known = known.gather(1, order[..., None].expand_as(known))
    after = torch.searchsorted(times, when.float().contiguous()).clamp(1, times.shape[1] - 1)
    t0, t1 = times.gather(1, after - 1), times.gather(1, after)
    share = ((when - t0) / (t1 - t0).clamp_min(1e-6)).clamp(0, 1)[..., None]
    low, high = (known.gather(1, i[..., None].expand(-1, -1, known.shape[2])) for i in (after - 1, after))
    return torch.lerp(low, high, share).unflatten(2, (2, gh, gw))


def warp(key: Tensor, fields: Tensor) -> Tensor:
    """Frames float32 `[B, 3, N, H, W]` fetched from key frames `[B, 3, H, W]` by fields `[B, N, 2, gh, gw]`, which are read bilinearly
    between the middles of patches; bicubic between pixels, borders repeated."""
    b, n = fields.shape[:2]
    h, w = key.shape[2:]
    moved = F.interpolate(fields.flatten(0, 1).float(), size=(h, w), mode="bilinear", align_corners=False)
    rows, columns = torch.arange(h, device=key.device).view(-1, 1), torch.arange(w, device=key.device)
    y, x = (moved[:, 0] + rows) * (2 / max(h - 1, 1)) - 1, (moved[:, 1] + columns) * (2 / max(w - 1, 1)) - 1
    source = key.float()[:, None].expand(-1, n, -1, -1, -1).flatten(0, 1)
    places = torch.stack((x, y), -1)
    frames = F.grid_sample(source, places, mode="bicubic", padding_mode="border", align_corners=True)
    return frames.unflatten(0, (b, n)).transpose(1, 2)
