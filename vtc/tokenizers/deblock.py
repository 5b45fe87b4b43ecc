"""The filter in the base layer's loop: edges between tokens that quantising left, and that the source hardly had, are softened.

After H.264's filter of strength below 4 (List et al., IEEE Trans. Circuits and Systems for Video Technology 13(7), 2003): one pixel on
either side of an edge moves by what a step between two ramps calls for, within a limit that grows with the quantiser's step. Ours: the
edges are those of tokens of which at least one is coded in this slice; limits follow the tokens' own steps. Whole numbers throughout.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vtc.tokenizers.layers.patch import PATCH_SIDE

_MOVES = 16.0
"""A step of 1 lets a pixel move by so many of 255."""
_EDGE = 64.0
"""And counts as an edge of the source what is larger than this."""


def _eighth(total: Tensor) -> Tensor:
    return total.bitwise_right_shift_(3)


def deblock(frames: Tensor, coded: Tensor, steps: Tensor, scaled: Callable[[Tensor], Tensor] = _eighth) -> Tensor:
    """The frames of a slice, numbers of 0..255 `[3, T, H, W]` in int16 (or in float32 for gradients, exact as well), filtered across and
    then down, in place. `coded` bool and `steps` float `[gh, gw]`: of its tokens. `scaled` divides by 8 and rounds down."""
    moves = (steps * _MOVES).round().clamp_(1, 255).to(torch.int16)
    edges = (steps * _EDGE).round().clamp_(1, 255).to(torch.int16)
    for axis in (1, 0):
        if coded.shape[axis] > 1:
            frames = _across(frames, axis, coded, moves, edges, scaled)
    return frames


def _across(
    frames: Tensor, axis: int, coded: Tensor, moves: Tensor, edges: Tensor, scaled: Callable[[Tensor], Tensor]
) -> Tensor:
    """The edges of one direction: between tokens beside each other (`axis` 1) or one above the other (0)."""
    count = coded.shape[axis] - 1
    tokens = frames.unflatten(2 + axis, (-1, PATCH_SIDE))

    def pixels(place: int, behind: int) -> Tensor:
        """Those at a `place` in the tokens before, or `behind`, all edges."""
        return tokens.select(3 + axis, place).narrow(2 + axis, behind, count)

    def along(field: Tensor) -> Tensor:
        """The larger value of both tokens, for every pixel of an edge."""
        larger = torch.maximum(field.narrow(axis, 0, count), field.narrow(axis, 1, count))
        return larger.repeat_interleave(PATCH_SIDE, 1 - axis).to(frames.dtype)

    p1, p0, q0, q1 = pixels(-2, 0), pixels(-1, 0), pixels(0, 1), pixels(1, 1)
    gap, edge, ramp, limit = q0 - p0, along(edges), along(edges // 2 + 1), along(moves * coded)
    smooth = (gap.abs() < edge) & ((p1 - p0).abs() < ramp) & ((q1 - q0).abs() < ramp)
    moved = torch.minimum(torch.maximum(scaled(gap * 4 + p1 - q1 + 4), -limit), limit) * smooth
    low, high = (p0 + moved).clamp_(0, 255), (q0 - moved).clamp_(0, 255)
    if frames.is_floating_point():
        return _replaced(frames, 2 + axis, low, high)
    p0.copy_(low)
    q0.copy_(high)
    return frames


def _replaced(frames: Tensor, axis: int, low: Tensor, high: Tensor) -> Tensor:
    """The frames with other pixels before and behind their edges along `axis`, as a new tensor that gradients reach."""
    first = torch.arange(PATCH_SIDE, frames.shape[axis], PATCH_SIDE, device=frames.device)
    return frames.index_copy(axis, first - 1, low).index_copy(axis, first, high)
