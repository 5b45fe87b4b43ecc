"""The `static` profile: integer tables from the bundle, chosen by what the decoder already knows.

A grid [S, H, W, C] is coded slice by slice. A token's *class* says how much is in it: the place of sum|z| among integer
thresholds, class 0 being all zero. Classes go first, in four interleaved passes, so that later passes see neighbours on
all sides: table = (side, pass, class at the same place one slice before, mean class of the known neighbours). Then the
symbols of the tokens above class 0: table = (side, class, channel). Many such rows share one of a few clustered tables.

A sequence [N, K, C] has tables by (position, channel), and only the kept positions of every item are coded.

All arithmetic is on integers; nothing here loops over tokens or channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vtc.entropy.coder import RangeReader, RangeWriter, Tables
from vtc.entropy.stream import Ints, StreamSpec, checked_size, shifted
from vtc.errors import BundleError, UsageError

At = tuple[int, slice, slice]  # one pass of one slice

PASSES = ((0, 0), (1, 1), (0, 1), (1, 0))  # (row, column) offsets; steps of 2 both ways
_AROUND = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2) if (y, x) != (1, 1)]


def activity(symbols: Ints, thresholds: Ints) -> npt.NDArray[np.uint8]:
    """Classes [...] of tokens [..., C]: how many thresholds sum|z| has reached."""
    total = np.abs(symbols.astype(np.int32, copy=False)).sum(-1)
    return np.searchsorted(thresholds, total, side="right").astype(np.uint8)


def _mean_around(known: Ints, row: int, column: int, none: int) -> npt.NDArray[np.int64]:
    """Rounded mean of the known ones (>= 0) of the 8 neighbours, side ones counted twice; `none` where none is known.

    known: [H, W]; the result is for the places [row::2, column::2].
    """
    padded = np.pad(known, 1, constant_values=-1)
    total = np.zeros(known[row::2, column::2].shape, np.int64)
    weight = np.zeros_like(total)
    for dy, dx in _AROUND:
        near = padded[dy : dy + known.shape[0], dx : dx + known.shape[1]][row::2, column::2]
        w = np.where(near >= 0, 2 if dy == 1 or dx == 1 else 1, 0)
        total += w * near
        weight += w
    return np.where(weight > 0, (2 * total + weight) // np.maximum(2 * weight, 1), none)


def class_contexts(
    labels: Ints, previous: Ints | None, none: int
) -> Iterator[tuple[At, int, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """The order of class coding: (place, pass, class one slice before, mean class around), contexts of the place's shape.

    labels: [S, H, W]. A decoder fills labels[place] before it asks for the next; nothing else of `labels` is looked at.
    previous: [H, W], the classes of the slice before the first, or None. `none` stands for an unknown context.
    """
    height, width = labels.shape[1:]
    before = np.full((height, width), none, np.int64) if previous is None else previous.astype(np.int64)
    for t in range(labels.shape[0]):
        known = np.full((height, width), -1, np.int64)
        for number, (y, x) in enumerate(PASSES):
            if y >= height or x >= width:
                continue
            at = (t, slice(y, None, 2), slice(x, None, 2))
            if number:
                around = _mean_around(known, y, x, none)
            else:  # nothing of this slice is known yet: the surroundings one slice before
                around = _mean_around(np.where(before == none, -1, before), y, x, none)
            yield at, number, before[y::2, x::2], around
            known[y::2, x::2] = labels[at]
        before = known


class StaticModel:
    """Tables of one stream.

    thresholds: [classes-1] int32, rising from 1. class_counts: [K1, classes] and class_rows: [sides, 4 passes, classes+1,
    classes+1] (both empty without classes). symbol_counts: [K2, 2*bound+1]. symbol_rows: grid [sides, classes, channels],
    sequence [1, positions, channels]. BundleError when they do not fit together.
    """

    def __init__(
        self,
        spec: StreamSpec,
        *,
        symbol_counts: Ints,
        symbol_rows: Ints,
        thresholds: Ints | None = None,
        class_counts: Ints | None = None,
        class_rows: Ints | None = None,
        class_bits: npt.NDArray[Any] | None = None,
    ) -> None:
        self.spec = spec
        self.symbols = Tables(symbol_counts)
        self.symbol_rows = _rows(symbol_rows, self.symbols, spec)
        classes = spec.classes if spec.kind == "grid" else symbol_rows.shape[1]
        if self.symbol_rows.shape != (spec.sides, classes, spec.channels) or self.symbols.counts.shape[1] != spec.alphabet:
            raise BundleError(f"entropy tables of stream {spec.name} do not have the stream's shape")
        self.thresholds = np.zeros(0, np.int32) if thresholds is None else np.asarray(thresholds).astype(np.int32)
        self.classes: Tables | None = None
        self.class_rows: npt.NDArray[np.uint16] = np.zeros((0, 0, 0, 0), np.uint16)
        if spec.kind == "sequence" or spec.classes == 1:
            return
        if class_counts is None or class_rows is None:
            raise BundleError(f"entropy tables of stream {spec.name} lack those of the classes")
        self.classes = Tables(class_counts)
        self.class_rows = _rows(class_rows, self.classes, spec)
        wanted = (spec.sides, len(PASSES), spec.classes + 1, spec.classes + 1)
        rising = self.thresholds.shape == (spec.classes - 1,) and self.thresholds[0] == 1 and (np.diff(self.thresholds) > 0).all()
        self.class_bits = np.zeros(wanted[::2][:1] + (spec.classes,), np.float32) if class_bits is None else class_bits
        if self.class_rows.shape != wanted or self.classes.counts.shape[1] != spec.classes or not rising:
            raise BundleError(f"class tables of stream {spec.name} do not have the stream's shape")

    # -- storing ------------------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that `from_arrays` needs besides the spec."""
        arrays = {"symbol_counts": self.symbols.counts.view(np.int32), "symbol_rows": self.symbol_rows.astype(np.int32)}
        if self.classes is not None:
            arrays["thresholds"] = self.thresholds
            arrays["class_counts"] = self.classes.counts.view(np.int32)
            arrays["class_rows"] = self.class_rows.astype(np.int32)
            arrays["class_bits"] = self.class_bits
        return arrays

    @staticmethod
    def from_arrays(spec: StreamSpec, arrays: Mapping[str, Ints]) -> "StaticModel":
        """The model that `to_arrays` was called on. BundleError when an array is missing or does not fit."""
        known = {"symbol_counts", "symbol_rows", "thresholds", "class_counts", "class_rows", "class_bits"}
        if not {"symbol_counts", "symbol_rows"} <= set(arrays) <= known:
            raise BundleError(f"entropy tables of stream {spec.name}: found {sorted(arrays)}")
        return StaticModel(spec, **{name: np.asarray(array) for name, array in arrays.items()})

    # -- grids --------------------------------------------------------------------------------------------------------

    def labels(self, symbols: Ints) -> npt.NDArray[np.uint8]:
        """Classes [...] of tokens [..., C]; all 0 without classes."""
        return activity(symbols, self.thresholds)

    def encode(self, symbols: Ints, side: Ints | None = None, before: Ints | None = None) -> bytes:
        """A grid [S, H, W, C] to bytes.

        side: [S, H, W] in [0, sides), None for all 0. before: [H, W, C], the last slice of the segment that this one
        leans on, or None. The decoder must be given the same two.
        """
        moved = shifted(self._grid(symbols), self.spec)
        side = self._side(side, symbols.shape[:3])
        labels = self.labels(symbols)
        writer = RangeWriter()
        for at, rows in self._walk(labels, side, before):
            if self.classes is not None:
                writer.put(labels[at].ravel(), rows.ravel(), self.classes)
            if self._slice_known(at, labels):
                picked, rows = self._picked(at[0], labels, side)
                writer.put(moved[at[0]][picked].ravel(), rows.ravel(), self.symbols)
        return writer.finish()

    def decode(self, data: bytes, shape: Sequence[int], side: Ints | None = None, before: Ints | None = None) -> npt.NDArray[np.int32]:
        """The grid of `shape` (S, H, W) from bytes, [S, H, W, C]. DamageError when the bytes cannot be a writer's."""
        slices, height, width = (int(n) for n in shape)
        checked_size((slices, height, width, self.spec.channels), self.spec)
        side = self._side(side, (slices, height, width))
        labels = np.zeros((slices, height, width), np.uint8)
        symbols = np.zeros((slices, height, width, self.spec.channels), np.int32)
        reader = RangeReader(data)
        for at, rows in self._walk(labels, side, before):
            if self.classes is not None:
                labels[at] = reader.get(rows.ravel(), self.classes).reshape(rows.shape)
            if self._slice_known(at, labels):
                picked, rows = self._picked(at[0], labels, side)
                symbols[at[0]][picked] = reader.get(rows.ravel(), self.symbols).reshape(rows.shape) - self.spec.bound
        return symbols

    def _walk(self, labels: Ints, side: Ints, before: Ints | None) -> Iterator[tuple[At, Ints]]:
        """The passes in coding order, each with the rows of its classes."""
        if before is not None and before.shape != (*labels.shape[1:], self.spec.channels):
            raise UsageError(f"stream {self.spec.name}: the slice before is of another size", "segments that lean keep the size")
        if self.classes is None:
            whole = slice(None)
            for t in range(labels.shape[0]):
                yield (t, whole, whole), labels[t]
            return
        previous = None if before is None else self.labels(before)
        for at, number, past, around in class_contexts(labels, previous, self.spec.classes):
            yield at, self.class_rows[side[at], number, past, around]

    def _slice_known(self, at: At, labels: Ints) -> bool:
        """Whether this pass was its slice's last."""
        last = [(y, x) for y, x in PASSES if y < labels.shape[1] and x < labels.shape[2]][-1]
        return self.classes is None or (at[1].start, at[2].start) == last

    def _picked(self, t: int, labels: Ints, side: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Which tokens [H, W] of slice t have symbols, and the rows [n, C] of those."""
        picked = np.ones(labels.shape[1:], np.bool_) if self.classes is None else labels[t] > 0
        return picked, self.symbol_rows[side[t][picked], labels[t][picked]]

    def _grid(self, symbols: Ints) -> Ints:
        if self.spec.kind != "grid" or symbols.ndim != 4 or symbols.shape[3] != self.spec.channels:
            raise UsageError(f"stream {self.spec.name} does not take symbols of shape {symbols.shape} as a grid")
        return symbols

    def _side(self, side: Ints | None, shape: tuple[int, ...]) -> Ints:
        if self.spec.kind != "grid":
            raise UsageError(f"stream {self.spec.name} is not a grid")
        if side is None:
            return np.zeros(shape, np.int64)
        if side.shape != shape or (side.size and not 0 <= int(side.min()) <= int(side.max()) < self.spec.sides):
            raise UsageError(f"stream {self.spec.name}: side information is of another shape, or not in 0..{self.spec.sides - 1}")
        return side

    # -- sequences ----------------------------------------------------------------------------------------------------

    def encode_sequence(self, symbols: Ints, lengths: Ints | Sequence[int]) -> bytes:
        """The first lengths[n] positions of every item of [N, K, C], K at most the model's positions, to bytes."""
        if self.spec.kind != "sequence" or symbols.ndim != 3 or symbols.shape[2] != self.spec.channels:
            raise UsageError(f"stream {self.spec.name} does not take symbols of shape {symbols.shape} as a sequence")
        kept, rows = self._kept(lengths)
        if len(kept) != len(symbols) or kept.shape[1] > symbols.shape[1]:
            raise UsageError(f"stream {self.spec.name}: lengths do not fit symbols of shape {symbols.shape}")
        writer = RangeWriter()
        writer.put(shifted(symbols[:, : kept.shape[1]][kept], self.spec).ravel(), rows.ravel(), self.symbols)
        return writer.finish()

    def decode_sequence(self, data: bytes, lengths: Ints | Sequence[int]) -> npt.NDArray[np.int32]:
        """[N, max(lengths), C], zero past each item's length."""
        kept, rows = self._kept(lengths)
        symbols = np.zeros((*kept.shape, self.spec.channels), np.int32)
        symbols[kept] = RangeReader(data).get(rows.ravel(), self.symbols).reshape(rows.shape) - self.spec.bound
        return symbols

    def _kept(self, lengths: Ints | Sequence[int]) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Which positions [N, max] are coded, and their rows [n, C]."""
        counts = np.asarray(lengths, np.int64).reshape(-1)
        longest = int(counts.max(initial=0))
        if self.spec.kind != "sequence" or (counts < 0).any() or longest > self.symbol_rows.shape[1]:
            raise UsageError(f"stream {self.spec.name}: a length is not in 0..{self.symbol_rows.shape[1]}")
        checked_size((len(counts), longest, self.spec.channels), self.spec)
        kept = np.arange(longest) < counts[:, None]
        return kept, self.symbol_rows[0, np.nonzero(kept)[1]]

    # -- what things cost ---------------------------------------------------------------------------------------------

    # class_bits [sides, classes], float32: the mean cost of a token's class over the samples the tables were fitted to.

    def bit_table(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
        """(bits [K2, 2*bound+1], symbol_rows): symbol z of channel c costs bits[symbol_rows[side, class, c], z + bound]."""
        return self.symbols.bits(), self.symbol_rows


def _rows(rows: Ints, tables: Tables, spec: StreamSpec) -> npt.NDArray[np.uint16]:
    rows = np.asarray(rows)
    if rows.dtype.kind not in "iu" or not rows.size or not 0 <= int(rows.min()) <= int(rows.max()) < len(tables):
        raise BundleError(f"entropy tables of stream {spec.name} name a table that is not there")
    return rows.astype(np.uint16)
