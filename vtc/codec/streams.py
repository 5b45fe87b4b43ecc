"""The streams of a bundle and their shapes over a frame; no torch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from vtc.codec.tiles import Layout, layout
from vtc.errors import DamageError

BASE_STREAMS = ("motion", "structural")
SIDE_OF = {"structural": "motion"}


@dataclass(frozen=True)
class StreamInfo:
    """A stream as the bundle tells it: integer symbols in [-bound, bound], `channels` a token. kind `grid`: a token for every patch;
    `sequence`: `positions` tokens a tile, of which a tail may be cut. `whole`: over the whole frame, not tile by tile."""

    name: str
    channels: int
    bound: int
    kind: Literal["grid", "sequence"]
    positions: int = 0
    whole: bool = False


@dataclass(frozen=True)
class Geometry:
    """A coded picture of `height` x `width` pixels in clips of `clip_frames`, for a tokenizer of that `stride` (time, height, width)."""

    height: int
    width: int
    clip_frames: int
    stride: tuple[int, int, int]

    @cached_property
    def layout(self) -> Layout:
        """The tiles of the padded picture."""
        return layout(self.padded_height, self.padded_width)

    @property
    def padded_height(self) -> int:
        return -(-self.height // 16) * 16

    @property
    def padded_width(self) -> int:
        return -(-self.width // 16) * 16

    def shape(self, stream: StreamInfo) -> tuple[int, ...]:
        """Shape of the symbols: grid `[items * S, gh, gw, C]`, sequence `[items, positions, C]`; an item is a tile or the frame."""
        items = 1 if stream.whole else self.layout.count
        if stream.kind == "sequence":
            return items, stream.positions, stream.channels
        time, down, across = self.stride
        tall, wide = self.layout.tile_height, self.layout.tile_width
        if stream.whole:
            tall, wide = self.padded_height, self.padded_width
        return items * (self.clip_frames // time), tall // down, wide // across, stream.channels

    def counts(self, stream: StreamInfo, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Tokens by item: all of them in a grid, `lengths` in a sequence."""
        if stream.kind == "sequence":
            return lengths
        items = 1 if stream.whole else self.layout.count
        slices, rows, columns, _ = self.shape(stream)
        return (slices // items * rows * columns,) * items

    def check(self, stream: StreamInfo, counts: tuple[int, ...]) -> None:
        """DamageError when a segment claims token counts that cannot be."""
        if stream.kind == "grid":
            fits = counts == self.counts(stream, ())
        else:
            items, positions, _ = self.shape(stream)
            fits = len(counts) == items and max(counts) <= positions
        if not fits:
            raise DamageError(f"the {stream.name} stream does not have the size of the picture")


@dataclass(frozen=True)
class Symbols:
    """The symbols of a segment by stream (shapes of `Geometry.shape`, sequences zero past their length) and the `lengths` of the
    sequences, a number per tile."""

    arrays: dict[str, np.ndarray]
    lengths: dict[str, tuple[int, ...]]

    def kept(self, name: str) -> np.ndarray:
        """A stream without what was cut: grids as they are, sequences as `[tokens, C]`."""
        array = self.arrays[name]
        if name not in self.lengths:
            return array
        return array[np.arange(array.shape[1]) < np.asarray(self.lengths[name])[:, None]]
