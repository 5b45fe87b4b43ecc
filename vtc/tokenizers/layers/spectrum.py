"""The two-dimensional discrete cosine transform (DCT-II, orthonormal) over grids of tokens."""

import math

import torch
from torch import Tensor


def cosines(size: int, device: torch.device) -> Tensor:
    """The orthonormal DCT of `size` points, `[frequency, place]`."""
    place = torch.arange(size, device=device)
    waves = torch.cos(math.pi / size * place[:, None] * (place + 0.5)) * math.sqrt(2 / size)
    waves[0] /= math.sqrt(2)
    return waves


def spectrum(grid: Tensor) -> Tensor:
    """`[..., gh, gw]` to coefficients of the same shape, row and column frequencies rising."""
    down, across = (cosines(size, grid.device) for size in grid.shape[-2:])
    return down @ grid @ across.T


def from_spectrum(coefficients: Tensor) -> Tensor:
    """The inverse of `spectrum`."""
    down, across = (cosines(size, coefficients.device) for size in coefficients.shape[-2:])
    return down.T @ coefficients @ across


def lowest_first(height: int, width: int) -> Tensor:
    """Places `[height * width]` of the flattened coefficients by rising frequency, so that every prefix is a smooth picture."""
    rows, columns = torch.meshgrid(torch.arange(height) / height, torch.arange(width) / width, indexing="ij")
    return torch.argsort((rows.square() + columns.square()).flatten(), stable=True)
