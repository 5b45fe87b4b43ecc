"""Finite scalar quantisation (FSQ, arXiv 2309.15505): every channel is bounded and rounded to one of a few levels, and the digits of a
token together are its id. There is no codebook to learn, and none to collapse.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_MARGIN = 1e-3  # the bounded range ends a little beyond its last whole numbers, so that these can be reached


class FSQ:
    """`levels` by channel, each at least 3. Digits of a channel of L levels are -(L // 2) .. (L - 1) // 2.

    Holds no tensors: a model cast to half precision would round them, and ids with them.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        if not levels or min(levels) < 3:
            raise ValueError(f"levels {tuple(levels)}: each channel needs at least 3")
        self.levels = tuple(levels)

    @property
    def codebook_size(self) -> int:
        """Number of different ids."""
        return math.prod(self.levels)

    def bound(self, x: Tensor) -> Tensor:
        """Real numbers `[..., C]` into the range of their channel's digits, float32: a hyperbolic tangent that leaves 0 where it is.

        An even number of levels has no middle: its range is moved by half a level, and the tangent's argument against it.
        """
        levels = torch.tensor(self.levels, device=x.device)
        half, offset = (levels - 1) * (1 + _MARGIN) / 2, (levels % 2 == 0).float() / 2
        return torch.tanh(x.float() + torch.atanh(offset / half)) * half - offset

    def __call__(self, x: Tensor) -> Tensor:
        """Digits `[..., C]` (float32) of real numbers `[..., C]`; rounding is straight-through, the bound is differentiated."""
        bounded = self.bound(x)
        return bounded + (bounded.round() - bounded).detach()

    def ids(self, digits: Tensor) -> Tensor:
        """Digits `[..., C]` to ids `[...]`, int64 from 0 to codebook_size - 1; the first channel counts ones."""
        levels, place = self._places(digits.device)
        return ((digits.round().long() + levels // 2) * place).sum(-1)

    def digits(self, ids: Tensor) -> Tensor:
        """Ids `[...]` back to digits `[..., C]`, int64."""
        levels, place = self._places(ids.device)
        return ids[..., None] // place % levels - levels // 2

    def _places(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Levels and what one step of each channel counts."""
        levels = torch.tensor(self.levels, device=device)
        return levels, levels.cumprod(0) // levels
