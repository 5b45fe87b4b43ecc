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


def weights() -> Tensor:
    """float32 `[5, 16, 16]`, whole numbers: of a token's own vector, and of those above, to the left, to the right and below."""
    ramp = (0.5 - (torch.arange(PATCH_SIDE) + 0.5) / PATCH_SIDE).clamp_(min=0)  # a half at the border, nothing from the middle on
    across, down = ramp.expand(PATCH_SIDE, -1), ramp[:, None].expand(-1, PATCH_SIDE)
    sides = torch.stack((down, across, across.flip(1), down.flip(0)))
    inner = 1 - sides.flip(0) - sides  # bilinear weights; those of the diagonal neighbours go to the token itself
    others = (WHOLE * sides * torch.stack((inner[1], inner[0], inner[0], inner[1]))).round_()
    return torch.cat((WHOLE - others.sum(0, keepdim=True), others))


def blended(
    doubled: Tensor, vectors: Tensor, leaning: Tensor, floor: Callable[[Tensor], Tensor] = torch.floor
) -> Mixed:
    """Which tokens have neighbours with other vectors, (rows, columns) int64 `[n]`, and their contexts, whole numbers in float32
    `[n, C, 4, 16, 16]`; of all others the context is what `motion.fetch` gives.

    `doubled` `[C, 2H, 2W]` from `motion.double`, `vectors` integer `[gh, gw, 2]`, `leaning` bool `[gh, gw]`: tokens that have a context.
    All of it is exact in float32; `floor` may let gradients pass.
    """
    vectors = vectors.long()
    known = zip(motion.beside(vectors), motion.beside(leaning[..., None].long()), strict=True)
    others = [torch.where(leans > 0, there, vectors) for there, leans in known]
    mixed = leaning & torch.stack([(other != vectors).any(-1) for other in others]).any(0)
    rows, columns = mixed.nonzero(as_tuple=True)
    at = rows, columns
    share = weights().to(doubled.device)
    total = sum(motion.fetch(doubled, field[mixed], at=at).float() * part for part, field in zip(share, (vectors, *others), strict=True))
    assert isinstance(total, Tensor)
    return at, floor((total + WHOLE // 2) / WHOLE)
