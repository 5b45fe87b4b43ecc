"""The streams of a bundle and their shapes over a frame; no torch."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from vtc.codec.tiles import MULTIPLE, Layout, layout, layout_of
from vtc.entropy.surroundings import Past
from vtc.errors import DamageError

BASE_STREAMS = ("motion", "finer", "partition", "structural")
SIDE_OF = {"partition": "motion", "structural": "motion"}  # and so much `finer` than the step


@dataclass(frozen=True)
class StreamInfo:
    """A stream as the bundle tells it: integer symbols in [-bound, bound], `channels` a token. kind `grid`: a token for every `stride`
    (frames, rows, columns) pixels; `sequence`: `items` of them a tile, each of `positions` tokens, whose tails may be `cut`. `whole`: over
    the whole frame, not tile by tile. `levels`: the symbols of a token are digits of an id in these bases (see `ids`)."""

    name: str
    channels: int
    bound: int
    kind: Literal["grid", "sequence"]
    positions: int = 0
    whole: bool = False
    cut: bool = False
    items: int = 1
    stride: tuple[int, int, int] = (4, 16, 16)
    levels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Geometry:
    """A coded picture of `height` x `width` pixels in clips of `clip_frames`. `tile`: height and width of the tokenizer's clips where it
    takes no other size."""

    height: int
    width: int
    clip_frames: int
    tile: tuple[int, int] | None = None

    @cached_property
    def layout(self) -> Layout:
        """The tiles of the padded picture."""
        if self.tile is None:
            return layout(self.padded_height, self.padded_width)
        return layout_of(self.padded_height, self.padded_width, *self.tile)

    @property
    def padded_height(self) -> int:
        return max(-(-self.height // MULTIPLE) * MULTIPLE, self.tile[0] if self.tile else 0)

    @property
    def padded_width(self) -> int:
        return max(-(-self.width // MULTIPLE) * MULTIPLE, self.tile[1] if self.tile else 0)

    def items(self, stream: StreamInfo) -> int:
        """How many arrays of tokens a segment has: one for a grid over the frame, else `stream.items` a tile."""
        return 1 if stream.whole else self.layout.count * stream.items

    def shape(self, stream: StreamInfo) -> tuple[int, ...]:
        """Shape of the symbols: grid `[items * S, gh, gw, C]`, sequence `[items, positions, C]`."""
        items = self.items(stream)
        if stream.kind == "sequence":
            return items, stream.positions, stream.channels
        time, down, across = stream.stride
        tall, wide = self.layout.tile_height, self.layout.tile_width
        if stream.whole:
            tall, wide = self.padded_height, self.padded_width
        return items * (self.clip_frames // time), tall // down, wide // across, stream.channels

    def counts(self, stream: StreamInfo, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Tokens by item: all of them in a grid, `lengths` in a sequence."""
        if stream.kind == "sequence":
            return lengths
        items = self.items(stream)
        slices, rows, columns, _ = self.shape(stream)
        return (slices // items * rows * columns,) * items

    def check(self, stream: StreamInfo, counts: tuple[int, ...]) -> None:
        """DamageError when a segment claims token counts that cannot be."""
        if stream.kind == "grid":
            fits = counts == self.counts(stream, ())
        else:
            items, positions, _ = self.shape(stream)
            fits = len(counts) == items and max(counts) <= positions and (stream.cut or min(counts) == positions)
        if not fits:
            raise DamageError(f"the {stream.name} stream does not have the size of the picture")


@dataclass(frozen=True)
class Symbols:
    """The symbols of a segment by stream (shapes of `Geometry.shape`, sequences zero past their length) and the `lengths` of the
    sequences, a number per item. `memory`: what the entropy coder needs of them for the segment that leans on this one, by stream; it
    fills that in itself."""

    arrays: dict[str, np.ndarray]
    lengths: dict[str, tuple[int, ...]]
    memory: dict[str, Past | None] = field(default_factory=dict, repr=False, compare=False)

    def kept(self, name: str) -> np.ndarray:
        """A stream without what was cut: grids as they are, sequences as `[tokens, C]`."""
        array = self.arrays[name]
        if name not in self.lengths:
            return array
        return array[np.arange(array.shape[1]) < np.asarray(self.lengths[name])[:, None]]


def ids(symbols: np.ndarray, levels: tuple[int, ...]) -> np.ndarray:
    """The ids int32 `[...]` of tokens `[..., C]` of finite scalar quantisation: digits of the bases `levels`, the first channel the lowest;
    from 0 to the product of the levels - 1."""
    bases = np.asarray(levels)
    places = np.cumprod([1, *levels[:-1]])
    return ((symbols.astype(np.int64) + bases // 2) * places).sum(-1).astype(np.int32)
