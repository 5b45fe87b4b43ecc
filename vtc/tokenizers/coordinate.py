"""The coordinate decoder: a function from a place (time, row, column) to the patch there (CoordTok, arXiv 2411.14762).

Features are looked up in the latents at each coordinate (`lookup.py`). Blocks of self-attention run over the coordinates of one call,
a linear layer ends at pixels. A coordinate is the place of a patch among all patches of the clip, 0 the first and 1 the last along each
axis.

The grid of coordinates is free: `paint` lays it where a query wants pixels and nowhere else. For more pixels than the clip had, patches
overlap: they are painted at finer steps, magnified, and blended.
"""

from dataclasses import dataclass
from math import ceil, floor

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vtc.tokenizers.contract import Query
from vtc.tokenizers.layers.vit import ViTBlock
from vtc.tokenizers.layers.zero import zeroed

Size = tuple[int, int, int]
"""Frames, rows, columns: of a clip in pixels, or of its grid of patches."""

SHORTEST, LONGEST = 4.0, 512.0
"""Patches in a wave of the Fourier positions. The shortest leaves no doubt of what lies between two patches."""

RIM = 4  # pixels around a window that its magnification looks at


@dataclass(frozen=True)
class CoordinateConfig:
    """`depth` blocks over slices of about `points` coordinates; patches of `patch_time` frames x `patch_side` x `patch_side` pixels.
    `places` is `fourier` (any size of clip, smooth between patches: ours) or `table` (a vector for every patch, as published)."""

    width: int = 192
    heads: int = 4
    depth: int = 4
    points: int = 1024
    patch_time: int = 4
    patch_side: int = 8
    places: str = "fourier"

    @property
    def patch(self) -> Size:
        """Frames, rows and columns of a patch."""
        return self.patch_time, self.patch_side, self.patch_side

    def grid(self, size: Size) -> Size:
        """Patches along each axis of a clip of `size` (frames, height, width) that they divide."""
        return size[0] // self.patch_time, size[1] // self.patch_side, size[2] // self.patch_side


class FourierPlaces(nn.Module):
    """Position vectors from sines of the place in patches."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.waves = max(1, width // 6)
        self.linear = nn.Linear(6 * self.waves, width)

    def forward(self, coordinates: Tensor, grid: Size) -> Tensor:
        """`[B, N, width]` of coordinates `[B, N, 3]` in a clip of `grid` patches."""
        place = coordinates * _last(grid, coordinates)
        steps = torch.arange(self.waves, device=place.device) / max(1, self.waves - 1)
        angles = 2 * torch.pi / SHORTEST * place[..., None] * (SHORTEST / LONGEST) ** steps
        waves = torch.cat((angles.cos(), angles.sin()), -1).flatten(2)
        return self.linear(waves.to(self.linear.weight.dtype))


class TablePlaces(nn.Module):
    """A learned vector for every patch of a clip of one size."""

    def __init__(self, width: int, grid: Size) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.randn(*grid, width) * 0.02)

    def forward(self, coordinates: Tensor, grid: Size) -> Tensor:
        """`[B, N, width]` of coordinates `[B, N, 3]`: those of the patch at or before each place. As in the public code the product is
        truncated, so for some counts (23 patches, 42, ...) a patch gets the vector of the one before."""
        index = (coordinates * _last(grid, coordinates)).long()
        return self.table[index.unbind(-1)]


class CoordinateDecoder(nn.Module):
    """Coordinates to patches. `lookup` is called with the latents, the position vectors `[B, N, width]` and the coordinates
    `[B, N, 3]`, and gives the features `[B, N, width]`."""

    def __init__(self, config: CoordinateConfig, lookup: nn.Module, grid: Size | None = None, residual: bool = True) -> None:
        """`grid` of the clip, where positions are a table. With `residual` the patches start as nothing, to be added to something."""
        super().__init__()
        self.config, self.lookup = config, lookup
        self.places: FourierPlaces | TablePlaces
        if config.places == "table":
            assert grid is not None
            self.places = TablePlaces(config.width, grid)
        else:
            self.places = FourierPlaces(config.width)
        self.blocks = nn.ModuleList(ViTBlock(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        head = nn.Linear(config.width, 3 * config.patch_time * config.patch_side**2)
        self.head = zeroed(head) if residual else head

    def forward(self, latents: object, coordinates: Tensor, grid: Size, told: Tensor | None = None) -> Tensor:
        """Patches `[B, N, P]` at coordinates `[B, N, 3]` (time, row, column) in [0, 1]; inside a patch the order is (frame, row, column,
        RGB). `grid`: patches along the axes of the clip. `told [B, width]` is added to every coordinate."""
        x = self.lookup(latents, self.places(coordinates, grid), coordinates)
        if told is not None:
            x = x + told[:, None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))

    def paint(self, latents: object, batch: int, size: Size, query: Query | None = None, told: Tensor | None = None) -> Tensor:
        """The clip of `size` (frames, height, width) float32 `[B, 3, T, H, W]`, or what `query` asks of it.

        Coordinates are decoded time slowest, in slices of about `points`, as published: each slice attends to itself only, so a part of
        a clip comes out nearly, not exactly, as in the whole.
        """
        query = query or whole(size)
        grid = self.config.grid(size)
        device = next(self.parameters()).device
        lattice = Lattice.of(query, self.config.patch, grid)
        coordinates = lattice.coordinates(grid, device).expand(batch, -1, -1)
        slices = max(1, coordinates.shape[1] // self.config.points)
        painted = [self(latents, part, grid, told).float() for part in coordinates.tensor_split(slices, 1)]
        return lattice.blend(torch.cat(painted, 1), query, self.config.patch)


@dataclass(frozen=True)
class Lattice:
    """The patches that a query needs. `starts`: first frames; `rows` and `columns`: places in steps of a patch over the factor; `shown`:
    of every frame asked for, (which start, which frame of the patch)."""

    starts: tuple[float, ...]
    rows: range
    columns: range
    factor: int
    patch_time: int
    shown: tuple[tuple[int, int], ...]

    @staticmethod
    def of(query: Query, patch: Size, grid: Size) -> "Lattice":
        """The least patches with which all pixels of a query are painted."""
        found = [_start(time, patch[0], grid[0] * patch[0]) for time in query.times]
        starts = tuple(sorted({start for start, _ in found}))
        shown = tuple((starts.index(start), inside) for start, inside in found)
        rows = _needed(query.top, query.height, patch[1], grid[1], query.factor)
        columns = _needed(query.left, query.width, patch[2], grid[2], query.factor)
        return Lattice(starts, rows, columns, query.factor, patch[0], shown)

    def coordinates(self, grid: Size, device: torch.device) -> Tensor:
        """`[1, N, 3]`, time slowest, then rows, then columns."""
        times = torch.tensor(self.starts, device=device) / self.patch_time
        rows, columns = (torch.tensor(list(r), device=device, dtype=torch.float32) for r in (self.rows, self.columns))
        last = [n - 1 or 1 for n in grid]
        axes = times / last[0], rows / (self.factor * last[1]), columns / (self.factor * last[2])
        return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(1, -1, 3)

    def blend(self, patches: Tensor, query: Query, patch: Size) -> Tensor:
        """Patches `[B, N, P]` of all coordinates to the pictures `[B, 3, F, h, w]`."""
        frames, side, _ = patch
        grid = len(self.starts), len(self.rows), len(self.columns)
        b, large = len(patches), side * self.factor
        which = torch.tensor(self.shown, device=patches.device)
        blocks = patches.unflatten(2, (frames, side, side, 3)).unflatten(1, grid).permute(1, 4, 0, 7, 2, 5, 3, 6)
        blocks = blocks[which[:, 0], which[:, 1]]  # frames, B, RGB, rows of patches, rows in them, columns of patches, ...
        if self.factor == 1:
            painted = blocks.flatten(5, 6).flatten(3, 4)
        else:
            tiles = blocks.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 3, side, side)
            tiles = F.interpolate(tiles, scale_factor=self.factor, mode="bicubic") * _window(large, patches.device)
            extent = (grid[1] - 1) * side + large, (grid[2] - 1) * side + large
            spread = tiles.reshape(-1, grid[1] * grid[2], 3 * large * large).mT
            shares = _window(large, patches.device).reshape(1, -1, 1).expand(1, -1, grid[1] * grid[2])
            folded = F.fold(spread, extent, large, stride=side) / F.fold(shares, extent, large, stride=side)
            painted = folded.unflatten(0, (-1, b))
        top, left = query.top * self.factor - self.rows[0] * side, query.left * self.factor - self.columns[0] * side
        shown = painted[..., top : top + query.height * self.factor, left : left + query.width * self.factor]
        return shown.permute(1, 2, 0, 3, 4)


def whole(size: Size) -> Query:
    """The query of all of a clip."""
    frames, height, width = size
    return Query(tuple(float(t) for t in range(frames)), 0, 0, height, width)


def sampled(pictures: Tensor, query: Query) -> Tensor:
    """What a query asks of pictures `[B, 3, T, H, W]` that are there already: cut, mixed between frames, magnified (bicubic)."""
    times = torch.tensor(query.times, device=pictures.device).clamp(0, pictures.shape[2] - 1)
    before = times.floor().long()
    after = (before + 1).clamp_max(pictures.shape[2] - 1)
    bottom, right = query.top + query.height, query.left + query.width
    top, left = (max(0, first - RIM) if query.factor > 1 else first for first in (query.top, query.left))
    rim = RIM if query.factor > 1 else 0
    part = pictures[..., top : bottom + rim, left : right + rim]
    mixed = torch.lerp(part[:, :, before], part[:, :, after], (times - before).view(-1, 1, 1))
    if query.factor == 1:
        return mixed
    large = F.interpolate(mixed.transpose(1, 2).flatten(0, 1), scale_factor=query.factor, mode="bicubic")
    rows, columns = (slice((a - b) * query.factor, (c - b) * query.factor) for a, b, c in (
        (query.top, top, bottom), (query.left, left, right)))  # fmt: skip
    return large[..., rows, columns].unflatten(0, (len(pictures), -1)).transpose(1, 2)


def _last(grid: Size, like: Tensor) -> Tensor:
    """The index of the last patch along each axis, float32 `[3]`."""
    return torch.tensor([n - 1 for n in grid], dtype=like.dtype, device=like.device)


def _start(time: float, patch_time: int, frames: int) -> tuple[float, int]:
    """The first frame of the patch that shows a time, and which of its frames does. Times behind the last frame show that."""
    time = min(max(time, 0.0), frames - 1.0)
    number = floor(time)
    between = time - number
    start = min(number // patch_time * patch_time, frames - patch_time - ceil(between))
    return start + between, number - start


def _needed(first: int, length: int, side: int, count: int, factor: int) -> range:
    """Places of the patches, in steps of `side` / `factor` pixels, that touch the pixels from `first` on."""
    begin, end = first * factor, (first + length) * factor
    low = max(0, begin // side - factor + 1)
    high = min(factor * (count - 1), -(-end // side) - 1)
    return range(low, high + 1)


def _window(large: int, device: torch.device) -> Tensor:
    """Weights of the pixels of a magnified patch `[large, large]`, falling off to the rims."""
    ramp = 1 - (2 * (torch.arange(large, device=device) + 0.5) / large - 1).abs()
    return ramp[:, None] * ramp
