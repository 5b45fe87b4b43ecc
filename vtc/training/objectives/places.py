"""Which places of a coordinate decoder's grid a training step looks at, and the pixels there. Places are int64 `[B, N, 3]`: slot, row and
column of a patch.
"""

import torch
from torch import Generator, Tensor

Grid = tuple[int, int, int]
"""Patches along time, rows and columns; or frames, rows and columns of a patch."""


def scattered(grid: Grid, points: int, batch: int, generator: Generator, device: torch.device) -> Tensor:
    """`points` places drawn for every clip, none twice (all of them, where there are fewer)."""
    drawn = torch.rand(batch, grid[0] * grid[1] * grid[2], generator=generator, device=device)
    return _places(drawn.argsort(1)[:, :points], grid)


def consecutive(grid: Grid, points: int, batch: int, generator: Generator, device: torch.device) -> Tensor:
    """The places of whole frames that one slice of a decode holds, another slice for every clip."""
    length, area = slots_at_once(grid, points), grid[1] * grid[2]
    first = torch.randint(grid[0] // length, (batch, 1), generator=generator, device=device) * length
    return _places(first * area + torch.arange(length * area, device=device), grid)


def slots_at_once(grid: Grid, points: int) -> int:
    """Slots of frames in one slice of a decode: at least one, at most all."""
    return max(1, min(grid[0], points // (grid[1] * grid[2])))


def coordinates_of(places: Tensor, grid: Grid) -> Tensor:
    """Places as coordinates in [0, 1]."""
    return places / torch.tensor([max(1, n - 1) for n in grid], device=places.device)


def patches_at(clip: Tensor, places: Tensor, patch: Grid) -> Tensor:
    """The patches `[B, N, P]` of a clip `[B, 3, T, H, W]`, in the decoder's order; nothing else is copied."""
    time, down, across = patch
    blocks = clip.unflatten(4, (-1, across)).unflatten(3, (-1, down)).unflatten(2, (-1, time))
    blocks = blocks.permute(0, 2, 4, 6, 3, 5, 7, 1)
    batch = torch.arange(len(clip), device=clip.device)[:, None]
    return blocks[batch, places[..., 0], places[..., 1], places[..., 2]].flatten(2)


def pictures(patches: Tensor, grid: Grid, patch: Grid) -> Tensor:
    """Patches `[B, N, P]` of `consecutive` places as pictures `[B, 3, F, H, W]`."""
    blocks = patches.unflatten(2, (*patch, 3)).unflatten(1, (-1, *grid[1:]))
    return blocks.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _places(numbers: Tensor, grid: Grid) -> Tensor:
    """Slot, row and column of places counted in that order."""
    area, columns = grid[1] * grid[2], grid[2]
    return torch.stack((numbers // area, numbers % area // columns, numbers % columns), -1)
