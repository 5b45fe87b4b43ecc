"""Tokens in four parts of 8x8 pixels, each displaced by a vector of its own (H.264's partitions of a macroblock): along the borders of what
moves, and where it turns or grows.

Parts are told by how their vectors differ from the token's, (dy, dx) each: above left, above right, below left, below right. All zeros:
a token that is whole. Our choice; contexts of parts are not blended (overlap.py).
"""

import torch
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.layers.patch import PATCH_SIDE

PARTS = 4
PARTITION_BOUND = 31
"""Half pixels by which a part's vector may differ from the token's."""

_SIDE = PATCH_SIDE // 2
_STEPS = (8, 4, 2, 1)

Places = tuple[Tensor, Tensor]
"""Rows and columns of tokens, int64 `[n]` each."""


def contexts(doubled: Tensor, vectors: Tensor, partition: Tensor, at: Places) -> Tensor:
    """What tokens in parts refer to, `[n, C, 4, 16, 16]` in the type of `doubled` (`[C, 2H, 2W]` from `motion.double`): of the tokens `at`,
    of `vectors` `[n, 2]` and `partition` `[n, 8]`."""
    blocks = motion.fetch(doubled, _vectors(vectors, partition).flatten(0, 1), at=_parts(at), side=_SIDE)
    return blocks.unflatten(0, (-1, 2, 2)).permute(0, 3, 4, 1, 5, 2, 6).flatten(5, 6).flatten(3, 4)


def search(target: Tensor, doubled_luma: Tensor, vectors: Tensor, at: Places) -> Tensor:
    """The `partition` int64 `[n, 8]` of least absolute difference for the tokens `at`, from their `vectors` `[n, 2]` on.

    `target` luma uint8 `[F, H, W]`: the slice's `motion.SEARCH_FRAMES`; `doubled_luma` uint8 `[1, 2H, 2W]`: of the frame before.
    """
    rows, columns = _parts(at)
    goal = target.unflatten(2, (-1, _SIDE)).unflatten(1, (-1, _SIDE))[:, rows, :, columns].to(torch.int16)  # [4n, F, 8, 8]
    near = torch.tensor(motion.NEAR, device=target.device)[:, None]
    own = vectors.repeat_interleave(PARTS, 0)
    found = own
    for step in _STEPS:
        candidates = torch.minimum(torch.maximum(found + near * step, own - PARTITION_BOUND), own + PARTITION_BOUND)
        got = motion.fetch(doubled_luma, candidates, motion.SEARCH_FRAMES, (rows, columns), side=_SIDE)[:, :, 0]
        cost = (got - goal).abs_().sum((-3, -2, -1), dtype=torch.int32) + (candidates - own).abs().sum(-1)
        found = candidates.gather(0, cost.argmin(0)[None, :, None].expand(1, -1, 2))[0]
    return (found - own).unflatten(0, (-1, PARTS)).flatten(1)


def _vectors(vectors: Tensor, partition: Tensor) -> Tensor:
    """`[n, 4, 2]`"""
    return vectors[:, None] + partition.unflatten(-1, (PARTS, 2))


def _parts(at: Places) -> Places:
    """Rows and columns of all parts, counted in parts, `[4 n]`: token after token."""
    rows, columns = at
    down, across = (torch.tensor(offsets, device=rows.device) for offsets in ((0, 0, 1, 1), (0, 1, 0, 1)))
    return (2 * rows[:, None] + down).flatten(), (2 * columns[:, None] + across).flatten()
