"""Overlapped contexts (Orchard and Sullivan, IEEE Trans. Image Processing 3(5), 1994; H.263, Annex F): towards its borders, a token's
context is blended with what its neighbours' vectors fetch there, so that vectors that differ leave no edge behind.

Ours: ramps over half a token, for whole tokens of four frames; a neighbour that stands alone has no say.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.layers.patch import PATCH_SIDE

Mixed = tuple[tuple[Tensor, Tensor], Tensor]
"""Places (rows, columns) int64 `[n]`, and their contexts `[n, C, 4, 16, 16]`, whole numbers."""

WHOLE = 256
"""What the weights of a pixel sum to."""

def halves(side: int) -> tuple[tuple[slice, slice], ...]:
    """Rows and columns of a block that the neighbours above, to the left, to the right and below have a say in."""
    low, high, every = slice(side // 2), slice(side // 2, None), slice(None)
    return (low, every), (every, low), (every, high), (high, every)


def weights(side: int = PATCH_SIDE) -> Tensor:
    """int32 `[4, side, side]`: of the neighbours above, to the left, to the right and below; what is left of `WHOLE` is the block's own."""
    ramp = (0.5 - (torch.arange(side) + 0.5) / side).clamp_(min=0)  # a half at the border, nothing from the middle on
    across, down = ramp.expand(side, -1), ramp[:, None].expand(-1, side)
    sides = torch.stack((down, across, across.flip(1), down.flip(0)))
    inner = 1 - sides.flip(0) - sides  # bilinear weights; those of the diagonal neighbours go to the block itself
    return (WHOLE * sides * torch.stack((inner[1], inner[0], inner[0], inner[1]))).round_().to(torch.int32)


def shifted(total: Tensor) -> Tensor:
    """Whole numbers divided by `WHOLE`, rounded down."""
    return total.bitwise_right_shift_(8)


def blended(
    doubled: Tensor,
    vectors: Tensor,
    leaning: Tensor,
    scaled: Callable[[Tensor], Tensor] = shifted,
    side: int = PATCH_SIDE,
    at: tuple[Tensor, Tensor] | None = None,
) -> Mixed:
    """Which tokens have neighbours with other vectors, (rows, columns) int64 `[n]`, and their contexts `[n, C, 4, 16, 16]`, in the type of
    `doubled`; of all others the context is what `motion.fetch` gives.

    `doubled` `[C, 2H, 2W]` from `motion.double`, or in float32 for gradients (exact as well); `vectors` integer `[gh, gw, 2]`, `leaning`
    bool `[gh, gw]`: tokens that have a context; `scaled` divides by `WHOLE` and rounds down. The same for blocks of another `side`, and
    for those `at` some places only.
    """
    vectors = vectors.long()
    known = zip(motion.beside(vectors), motion.beside(leaning[..., None].long()), strict=True)
    others = [torch.where(leans > 0, there, vectors) for there, leans in known]
    if at is None:
        rows, columns = (leaning & torch.stack([(other != vectors).any(-1) for other in others]).any(0)).nonzero(as_tuple=True)
        at = rows, columns
    own = motion.fetch(doubled, vectors[at], at=at, side=side)
    wide = own if own.is_floating_point() else own.to(torch.int32)
    pulled = torch.zeros_like(wide)
    for share, (down, across), field in zip(weights(side).to(doubled.device), halves(side), others, strict=True):
        there = motion.fetch(doubled, field[at], at=at, inside=(down, across), side=side)
        pulled[..., down, across] += (there - wide[..., down, across]) * share[down, across]
    return at, (wide + scaled(pulled + WHOLE // 2)).to(doubled.dtype)
