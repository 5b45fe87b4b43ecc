"""Tokens in four parts of 8x8 pixels, each displaced by a vector of its own (H.264's partitions of a macroblock): along the borders of what
moves, and where it turns or grows.

Parts are told by how their vectors differ from the token's, (dy, dx) each: above left, above right, below left, below right. All zeros:
a token that is whole. Our choice.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.layers.patch import PATCH_SIDE
from vtc.tokenizers.overlap import Mixed, blended, shifted

PARTS = 4
PARTITION_BOUND = 31
"""Half pixels by which a part's vector may differ from the token's."""

_SIDE = PATCH_SIDE // 2

Places = tuple[Tensor, Tensor]
"""Rows and columns of tokens, int64 `[n]` each."""


def contexts(
    doubled: Tensor,
    vectors: Tensor,
    partition: Tensor,
    leaning: Tensor,
    overlap: bool,
    scaled: Callable[[Tensor], Tensor] = shifted,
) -> Mixed:
    """Which tokens are in parts, (rows, columns) int64 `[n]`, and their contexts `[n, C, 4, 16, 16]`, in the type of `doubled`.

    `partition` integer `[gh, gw, 8]`; the others, and `scaled`, as for `overlap.blended`. With `overlap`, parts are blended with the parts
    beside them.
    """
    rows, columns = partition.any(-1).nonzero(as_tuple=True)
    at = _parts((rows, columns))
    apart = vectors[:, :, None].long() + partition.unflatten(-1, (PARTS, 2))
    field = apart.unflatten(2, (2, 2)).transpose(1, 2).flatten(2, 3).flatten(0, 1)  # [2gh, 2gw, 2]
    if overlap:
        _, blocks = blended(doubled, field, leaning.repeat_interleave(2, 0).repeat_interleave(2, 1), scaled, _SIDE, at)
    else:
        blocks = motion.fetch(doubled, field[at], at=at, side=_SIDE)
    joined = blocks.unflatten(0, (-1, 2, 2)).permute(0, 3, 4, 1, 5, 2, 6)  # [n, C, 4, 2, 8, 2, 8]
    return (rows, columns), joined.flatten(5, 6).flatten(3, 4)


def search(target: Tensor, doubled_luma: Tensor, vectors: Tensor, at: Places) -> Tensor:
    """The `partition` int64 `[n, 8]` of least absolute difference for the tokens `at`, from their vectors and those beside them on.

    `target` luma uint8 `[F, H, W]`: the slice's `motion.SEARCH_FRAMES`; `doubled_luma` uint8 `[1, 2H, 2W]`: of the frame before; `vectors`
    int64 `[gh, gw, 2]`.
    """
    at_parts = rows, columns = _parts(at)
    goal = target.unflatten(2, (-1, _SIDE)).unflatten(1, (-1, _SIDE))[:, rows, :, columns].to(torch.int16)  # [4n, F, 8, 8]
    own, *others = (field[at].repeat_interleave(PARTS, 0) for field in (vectors, *motion.beside(vectors)))

    def better(candidates: Tensor, than: motion.Costed | None = None) -> motion.Costed:
        candidates = torch.minimum(torch.maximum(candidates, own - PARTITION_BOUND), own + PARTITION_BOUND)
        got = motion.fetch(doubled_luma, candidates, motion.SEARCH_FRAMES, at_parts, side=_SIDE)[:, :, 0]
        cost = (got - goal).abs_().sum((-3, -2, -1), dtype=torch.int32)
        return motion.cheapest(candidates, cost + (candidates - own).abs().sum(-1), than)

    found = better(torch.stack((own, *others)))
    near = torch.tensor(motion.NEAR, device=target.device)[:, None]
    for step in (4, 2, 1):
        found = better(found[0] + near * step, found)
    return (found[0] - own).unflatten(0, (-1, PARTS)).flatten(1)


def _parts(at: Places) -> Places:
    """Rows and columns of all parts, counted in parts, `[4 n]`: token after token."""
    rows, columns = at
    down, across = (torch.tensor(offsets, device=rows.device) for offsets in ((0, 0, 1, 1), (0, 1, 0, 1)))
    return (2 * rows[:, None] + down).flatten(), (2 * columns[:, None] + across).flatten()
