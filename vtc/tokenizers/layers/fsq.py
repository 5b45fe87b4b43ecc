"""Finite scalar quantisation (FSQ, arXiv 2309.15505): every channel is bounded and rounded to one of a few levels, and the digits of a
token together are its id. There is no codebook to learn, and none to collapse.

The paper bounds by a hyperbolic tangent; here numbers come in units of their digit and are clamped, so that a linear path keeps its scale.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_CELL = 0.499  # the outermost cells are as wide as the others


class FSQ:
    """`levels` by channel, each at least 2. Digits of a channel of L levels are -(L // 2) .. (L - 1) // 2.

    Holds no tensors: a model cast to half precision would round them, and ids with them.
    """

    def __init__(self, levels: Sequence[int]) -> None:
        if not levels or min(levels) < 2:
            raise ValueError(f"levels {tuple(levels)}: each channel needs at least 2")
        self.levels = tuple(levels)

    @property
    def codebook_size(self) -> int:
        """Number of different ids."""
        return math.prod(self.levels)

    def __call__(self, x: Tensor) -> Tensor:
        """Digits `[..., C]` (float32) of real numbers `[..., C]`; rounding is straight-through, the bound is differentiated."""
        levels = torch.tensor(self.levels, device=x.device)
        bounded = x.float().clamp(-(levels // 2) - _CELL, (levels - 1) // 2 + _CELL)
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
