"""Motion of the base layer: a token's context is the last decoded frame, displaced; here it is fetched and searched for.

A vector is the displacement over the 4 frames of a slice, in half pixels (y, x), content moving by +v. Frame i (0..3) of the slice is
predicted from the last frame displaced by v (i + 1) / 4, rounded to half a pixel: constant speed, as in DESIGN.md, Prediction. Our choice.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME

CONTEXT, ALONE = 0, 1
"""What a token refers to, the first of its three symbols: the last decoded frame, or nothing."""
VECTOR_BOUND = 127
_COARSE_STEP = 8  # half pixels: 4 pixels, one pixel of the quarter-size search
_COARSE_RANGE = 10  # quarter-size pixels each way: 40 pixels over a slice
NEAR = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
SEARCH_FRAMES = (1, 3)  # two of the four frames are enough to find a vector, at half the price

Costed = tuple[Tensor, Tensor]
"""Vectors `[..., 2]` and what they cost, `[...]`."""


def frame_shift(vectors: Tensor, frame: int) -> Tensor:
    """Displacement in half pixels of frame `frame` (0..3) of a slice: round half up of v (frame + 1) / 4, in integers."""
    return torch.div(vectors * (frame + 1) + PATCH_TIME // 2, PATCH_TIME, rounding_mode="floor")


def double(frame: Tensor) -> Tensor:
    """Half-pixel grid of a picture, `[C, H, W]` uint8 to `[C, 2H, 2W]` uint8: H.264's six taps (1, -5, 20, 20, -5, 1) / 32."""
    return interpolated(frame.to(torch.int16), lambda total: total.bitwise_right_shift_(5)).to(torch.uint8)


def interpolated(frame: Tensor, scaled: Callable[[Tensor], Tensor]) -> Tensor:
    """`double` of whole numbers in int16, or in float32 for gradients (exact as well); `scaled` divides by 32 and rounds down."""

    def between(v: Tensor, axis: int) -> Tensor:
        size = v.shape[axis]
        padded = v.index_select(axis, torch.arange(-2, size + 3, device=v.device).clamp_(0, size - 1))
        tap = [padded.narrow(axis, k, size) for k in range(6)]
        total = ((tap[2] + tap[3]) * 4 - tap[1] - tap[4]) * 5 + tap[0] + tap[5]
        return scaled(total + 16).clamp(0, 255)

    below = between(frame, 1)
    upper = torch.stack((frame, between(frame, 2)), -1)
    lower = torch.stack((below, between(below, 2)), -1)
    return torch.stack((upper.flatten(-2), lower.flatten(-2)), -2).flatten(1, 2)


def fetch(
    doubled: Tensor,
    vectors: Tensor,
    frames: tuple[int, ...] = (0, 1, 2, 3),
    at: tuple[Tensor, Tensor] | None = None,
    inside: tuple[slice, slice] = (slice(None), slice(None)),
    side: int = PATCH_SIDE,
) -> Tensor:
    """Displaced blocks of the last frame, of `side` x `side` pixels, or what is `inside` some of their rows and columns.

    `doubled` `[C, 2H, 2W]` from `double`; `vectors` integer `[..., gh, gw, 2]`, or `[..., n, 2]` for blocks `at` (rows, columns), int64
    `[n]` each. Returns, in the type of `doubled`, `[..., gh, gw or n, C, len(frames), side, side]`; outside the picture its border is
    repeated.
    """
    h2, w2 = doubled.shape[1:]
    device = doubled.device
    down_inside, across_inside = (2 * torch.arange(side, device=device)[part] for part in inside)
    if at is None:
        down, across = (torch.arange(size // (2 * side), device=device) for size in (h2, w2))
        at = down[:, None], across[None, :]
    y0, x0 = (2 * side * place[..., None, None] for place in at)
    shifts = torch.stack([frame_shift(vectors.long(), i) for i in frames], -1)  # [..., gh, gw, 2, F]
    rows = (y0 + down_inside - shifts[..., 0, :, None]).clamp_(0, h2 - 1)  # [..., gh, gw, F, side]
    cols = (x0 + across_inside - shifts[..., 1, :, None]).clamp_(0, w2 - 1)
    flat = (rows * w2).to(torch.int32)[..., :, None] + cols.to(torch.int32)[..., None, :]  # [..., gh, gw, F, side, side]
    places = flat.flatten()
    return torch.stack([plane.index_select(0, places).view(flat.shape) for plane in doubled.flatten(1)], -4)


def beside(vectors: Tensor) -> list[Tensor]:
    """`[gh, gw, C]` as the four neighbours have it: above, left, right, below; the border is repeated."""
    height, width = vectors.shape[:2]
    padded = F.pad(vectors.permute(2, 0, 1)[None].float(), (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0).to(vectors.dtype)
    return [padded[y : y + height, x : x + width] for y, x in ((0, 1), (1, 0), (1, 2), (2, 1))]


def luma(frames: Tensor) -> Tensor:
    """Brightness of uint8 `[3, ..., H, W]` as uint8 `[..., H, W]`: (77 R + 150 G + 29 B) / 256."""
    total = torch.full_like(frames[0], 128, dtype=torch.int32)
    for plane, share in zip(frames, (77, 150, 29), strict=True):
        total.add_(plane, alpha=share)
    return total.bitwise_right_shift_(8).to(torch.uint8)


def search(target: Tensor, last: Tensor, doubled_luma: Tensor, frames: tuple[int, ...] = SEARCH_FRAMES) -> Tensor:
    """The vector of least absolute difference for every token of a slice.

    `target` luma uint8 `[len(frames), H, W]`: these `frames` (0..3) of the slice; frame 3 alone is moved by the whole vector.
    `last` luma uint8 `[H, W]`, `doubled_luma` uint8 `[1, 2H, 2W]`. Returns `[gh, gw, 2]` int64 half pixels.
    Full search at a quarter of the size, then refinement around the best by 2, 1 and half a pixel.
    """
    blocks = (
        target
        .unflatten(2, (-1, PATCH_SIDE))
        .unflatten(1, (-1, PATCH_SIDE))
        .permute(1, 3, 0, 2, 4)
        .to(torch.int16)
    )

    def better(candidates: Tensor, than: Costed | None = None) -> Costed:
        got = fetch(doubled_luma, candidates, frames)[:, :, :, 0]
        cost = (got - blocks).abs_().sum((-3, -2, -1), dtype=torch.int32)
        return cheapest(candidates, cost + candidates.abs().sum(-1), than)

    best = _coarse(target, last, frames)
    found = better(torch.stack((torch.zeros_like(best), best)))
    near = torch.tensor(NEAR, device=best.device)[:, None, None]
    for step in (4, 2, 1):
        found = better((found[0] + near * step).clamp_(-VECTOR_BOUND, VECTOR_BOUND), found)
    return found[0]


def cheapest(candidates: Tensor, cost: Tensor, than: Costed | None = None) -> Costed:
    """Of `candidates` `[K, ..., 2]` those of least `cost` `[K, ...]`, where that is less than the cost of vectors that are known."""
    least, pick = cost.min(0)
    vectors = candidates.gather(0, pick[None, ..., None].expand(1, *pick.shape, 2))[0]
    if than is None:
        return vectors, least
    return torch.where((least < than[1])[..., None], vectors, than[0]), torch.minimum(least, than[1])


def _coarse(target: Tensor, last: Tensor, frames: tuple[int, ...]) -> Tensor:
    """Full search on pictures of a quarter of the size; blocks there overlap their neighbours by half, which steadies the field."""
    small = F.avg_pool2d(torch.cat((target, last[None])).float()[None], 4)[0].to(torch.int16)
    goal, ref = small[:-1], small[-1]
    h, w = ref.shape
    r = _COARSE_RANGE
    padded = F.pad(ref.float()[None, None], (r, r, r, r), mode="replicate")[0, 0].to(torch.int16)
    windows = padded.unfold(0, h, 1).unfold(1, w, 1)  # [2r+1, 2r+1, h, w]: ref displaced by (r - i, r - j)
    v = torch.arange(-r, r + 1, device=ref.device)
    total = torch.zeros((2 * r + 1, 2 * r + 1, h // 4, w // 4), device=ref.device)
    for plane, i in zip(goal, frames, strict=True):
        shift = r - torch.div(v * (i + 1) + 2, 4, rounding_mode="floor")
        low, high = int(shift.min()), int(shift.max()) + 1  # early frames have moved less: fewer displacements
        difference = (windows[low:high, low:high] - plane).abs_()
        rows = sum(difference[:, :, k::4] for k in range(4))
        blocks = sum(rows[..., k::4] for k in range(4))
        total += blocks[(shift - low)[:, None], (shift - low)[None, :]]
    cost = F.avg_pool2d(F.pad(total, (1, 1, 1, 1), mode="replicate"), 3, 1) + total
    best = cost.flatten(0, 1).argmin(0)
    return torch.stack((v[best // (2 * r + 1)], v[best % (2 * r + 1)]), -1) * _COARSE_STEP
