"""Where the tiles of a frame lie, and how decoded tiles are blended.

Only the network is tiled; the base layer works on whole frames. A frame up to `MAX_AREA` is one tile. A larger one is split into tiles
of one size (so that they batch) that overlap by 48 pixels or more; there one tile fades linearly into the next over 40 pixels. What
lies nearest to a tile's edge has seen no neighbours and is not used; the fade begins and ends inside of patches, away
from their edges, where every transform that works on patches leaves its steps. Tokenizers whose clips have a fixed size get as few
tiles of that size as cover the frame, overlapping by 16 pixels or more.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

MULTIPLE = 16
FADE = 40
UNUSED = 4
OVERLAP = FADE + 2 * UNUSED
FIXED_OVERLAP = 16
MAX_AREA = 512 * 512


@dataclass(frozen=True)
class Layout:
    """Tiles of one size over a frame: `tops` x `lefts` are their corners, row by row. All numbers are multiples of 16 pixels."""

    height: int
    width: int
    tile_height: int
    tile_width: int
    tops: tuple[int, ...]
    lefts: tuple[int, ...]

    @property
    def count(self) -> int:
        return len(self.tops) * len(self.lefts)

    @cached_property
    def windows(self) -> tuple[tuple[slice, slice], ...]:
        """The rows and columns of every tile."""
        return tuple(
            (slice(top, top + self.tile_height), slice(left, left + self.tile_width))
            for top in self.tops
            for left in self.lefts
        )

    @cached_property
    def weights(self) -> tuple[np.ndarray, ...]:
        """The share of every tile in its pixels, float32 `[tile_height, tile_width]`; the shares of a pixel sum to 1."""
        rows = ramps(self.height, self.tile_height, self.tops)
        columns = ramps(self.width, self.tile_width, self.lefts)
        return tuple(row[:, None] * column[None, :] for row in rows for column in columns)


def layout(height: int, width: int, max_area: int = MAX_AREA) -> Layout:
    """The tiles of a frame of `height` x `width` pixels, both multiples of 16; no tile is larger than `max_area` pixels.

    Among the grids that fit, the one that costs the fewest pixels in all, then the one with the fewest tiles. (A `max_area` too small for
    tiles that overlap gives tiles of the smallest size that can.)
    """
    if height <= 0 or width <= 0 or height % MULTIPLE or width % MULTIPLE:
        raise ValueError(f"frame of {width}x{height}: not a multiple of {MULTIPLE}")
    fits, others = [], []
    for down in range(1, _most(height) + 1):
        tall = _tile_side(height, down)
        for across in range(1, _most(width) + 1):
            wide = _tile_side(width, across)
            cost = tall * wide * down * across
            others.append((tall * wide, cost, down * across, down, across))
            if tall * wide <= max_area:
                fits.append((cost, down * across, down, across))
                break
    down, across = min(fits)[2:] if fits else min(others)[3:]
    tall, wide = _tile_side(height, down), _tile_side(width, across)
    return Layout(height, width, tall, wide, _corners(height, tall, down), _corners(width, wide, across))


def layout_of(height: int, width: int, tile_height: int, tile_width: int) -> Layout:
    """Tiles of `tile_height` x `tile_width` over a frame of at least that size; all sides are multiples of 16."""
    if height < tile_height or width < tile_width or any(n % MULTIPLE for n in (height, width, tile_height, tile_width)):
        raise ValueError(f"tiles of {tile_width}x{tile_height} do not cover a frame of {width}x{height}")
    down, across = (
        1 + -(-(size - tile) // (tile - FIXED_OVERLAP)) for size, tile in ((height, tile_height), (width, tile_width))
    )
    tops, lefts = _corners(height, tile_height, down), _corners(width, tile_width, across)
    return Layout(height, width, tile_height, tile_width, tops, lefts)


def fade(earlier_end: int, later_start: int) -> tuple[int, int]:
    """Where a tile fades into the next along one axis: `FADE` pixels near the middle of their overlap, off the edges of patches; all of
    an overlap that is too narrow for that."""
    spare = earlier_end - later_start - OVERLAP
    if spare < 0:
        return later_start, earlier_end
    start = later_start + UNUSED + spare // (2 * MULTIPLE) * MULTIPLE
    return start, start + FADE


def ramps(size: int, tile: int, corners: tuple[int, ...]) -> list[np.ndarray]:
    """Along one axis of `size` pixels: the share of every tile in its own pixels, float32 `[tile]`, linear in the fades; sums to 1."""
    shares = []
    for i, corner in enumerate(corners):
        place = np.arange(corner, corner + tile) + 0.5
        share = np.ones(tile)
        if i > 0:
            start, stop = fade(corners[i - 1] + tile, corner)
            share = np.minimum(share, (place - start) / (stop - start))
        if i + 1 < len(corners):
            start, stop = fade(corner + tile, corners[i + 1])
            share = np.minimum(share, (stop - place) / (stop - start))
        shares.append(share.clip(0, 1))
    total = np.zeros(size)
    for share, corner in zip(shares, corners):
        total[corner : corner + tile] += share
    return [(share / total[corner : corner + tile]).astype(np.float32) for share, corner in zip(shares, corners)]


def _most(size: int) -> int:
    """The largest number of tiles along a side: there a pixel lies in two of them at most."""
    return max(1, (size - OVERLAP) // (OVERLAP + MULTIPLE))


def _tile_side(size: int, count: int) -> int:
    """The smallest multiple of 16 with which `count` tiles, overlapping by `OVERLAP`, cover `size` pixels."""
    need = -(-(size + (count - 1) * OVERLAP) // count)
    return -(-need // MULTIPLE) * MULTIPLE


def _corners(size: int, tile: int, count: int) -> tuple[int, ...]:
    """Evenly spread corners, rounded down to multiples of 16; the last tile ends where the frame ends."""
    if count == 1:
        return (0,)
    return tuple(i * (size - tile) // (count - 1) // MULTIPLE * MULTIPLE for i in range(count))
