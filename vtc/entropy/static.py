"""The `static` profile: integer tables from the bundle, chosen by what the decoder already knows.

A grid [S, H, W, C] is coded slice by slice. A token's *class* says how much is in it: the place of sum|z| among integer
thresholds, class 0 being all zero. Classes go first, in four interleaved passes, so that later passes see neighbours on
all sides: table = (side, pass, class at the same place one slice before, mean class of the known neighbours). Then the
symbols of the tokens above class 0: table = (side, class, channel). Many such rows share one of a few clustered tables.

A sequence [N, K, C] has tables by (side, position, channel), one side for all of it, and only the kept positions of every
item are coded.

All arithmetic is on integers; nothing here loops over tokens or channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vtc.entropy.coder import RangeReader, RangeWriter, Tables
from vtc.entropy.stream import (
    Ints,
    Lengths,
    StreamSpec,
    check_grid,
    check_sequence,
    checked_size,
    kept_positions,
    shifted,
)
from vtc.errors import BundleError, UsageError

At = tuple[slice, slice]  # the places of one pass

PASSES = ((0, 0), (1, 1), (0, 1), (1, 0))  # (row, column) where a pass starts; its steps are 2 both ways
_ARRAYS = {"symbol_counts", "symbol_rows", "thresholds", "class_counts", "class_rows", "class_bits"}
_AROUND = [(y, x) for y in (0, 1, 2) for x in (0, 1, 2) if (y, x) != (1, 1)]


def activity(symbols: Ints, thresholds: Ints) -> npt.NDArray[np.uint8]:
    """Classes [...] of tokens [..., C]: how many of the rising thresholds sum|z| has reached."""
    total = np.abs(symbols.astype(np.int32, copy=False)).sum(-1)
    return np.asarray(np.searchsorted(thresholds, total, side="right").astype(np.uint8))


def class_contexts(labels: Ints, past: Ints | None, none: int) -> Iterator[tuple[At, int, Ints, Ints]]:
    """The order in which a slice's classes are coded: (places, pass, class there one slice before, mean class around).

    labels: [H, W]. A decoder fills labels[places] before it asks for the next; what is not filled yet is not looked at.
    past: [H, W], the classes one slice before, or None. `none` stands for a context that there is not.
    """
    known = np.full(labels.shape, -1, np.int64)
    before = known if past is None else past.astype(np.int64)
    for number, (y, x) in enumerate(PASSES):
        at = (slice(y, None, 2), slice(x, None, 2))
        # In the first pass nothing of this slice is known: the surroundings one slice before stand in.
        around = _mean_around(known if number else before, at)
        yield at, number, np.where(before[at] < 0, none, before[at]), np.where(around < 0, none, around)
        known[at] = labels[at]


def _mean_around(known: Ints, at: At) -> Ints:
    """Rounded mean of the known ones (>= 0) of the 8 neighbours, side ones counted twice; -1 where none is known."""
    height, width = known.shape
    padded = np.pad(known, 1, constant_values=-1)
    total = np.zeros_like(known[at])
    weight = np.zeros_like(total)
    for dy, dx in _AROUND:
        near = padded[dy : dy + height, dx : dx + width][at]
        w = np.where(near >= 0, 2 if dy == 1 or dx == 1 else 1, 0)
        total += w * near
        weight += w
    return np.where(weight > 0, (2 * total + weight) // np.maximum(2 * weight, 1), -1)


class StaticModel:
    """Tables of one stream.

    thresholds: [classes-1] int32, rising from 1. class_counts: [K1, classes]; class_rows: [sides, 4 passes, classes+1,
    classes+1]; class_bits: [sides, classes] float32, only told. These are not there for a sequence, or a grid of one class.
    symbol_counts: [K2, 2*bound+1]. symbol_rows: for a grid [sides, classes, channels], for a sequence
    [sides, positions, channels]. BundleError when they do not fit together.
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
        labels = spec.classes if spec.kind == "grid" else self.symbol_rows.shape[1]
        _demand(self.symbol_rows.shape == (spec.sides, labels, spec.channels), "symbol_rows", spec)
        _demand(self.symbols.counts.shape[1] == spec.alphabet, "symbol_counts", spec)
        self.classes: Tables | None = None
        self.thresholds = np.zeros(0, np.int32)
        self._class_bits = np.zeros((spec.sides, spec.classes), np.float32)
        if spec.kind == "sequence" or spec.classes == 1:
            return
        if thresholds is None or class_counts is None or class_rows is None or class_bits is None:
            raise BundleError(f"entropy tables of stream {spec.name} lack those of the classes")
        self.classes = Tables(class_counts)
        self.class_rows = _rows(class_rows, self.classes, spec)
        self.thresholds = np.asarray(thresholds).astype(np.int32)
        self._class_bits = np.asarray(class_bits).astype(np.float32)
        contexts = spec.classes + 1
        _demand(self.classes.counts.shape[1] == spec.classes, "class_counts", spec)
        _demand(self.class_rows.shape == (spec.sides, len(PASSES), contexts, contexts), "class_rows", spec)
        _demand(self._class_bits.shape == (spec.sides, spec.classes), "class_bits", spec)
        rising = self.thresholds.shape == (spec.classes - 1,) and bool((np.diff(self.thresholds, prepend=0) > 0).all())
        _demand(rising and self.thresholds[0] == 1, "thresholds", spec)

    # -- storing ------------------------------------------------------------------------------------------------------

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that `from_arrays` needs besides the spec: arrays of int32 and float32."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "symbol_counts": self.symbols.counts.astype(np.int32),
            "symbol_rows": self.symbol_rows.astype(np.int32),
        }
        if self.classes is not None:
            arrays["thresholds"] = self.thresholds
            arrays["class_counts"] = self.classes.counts.astype(np.int32)
            arrays["class_rows"] = self.class_rows.astype(np.int32)
            arrays["class_bits"] = self._class_bits
        return arrays

    @staticmethod
    def from_arrays(spec: StreamSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> "StaticModel":
        """The model that `to_arrays` was called on. BundleError when an array is missing, unknown or does not fit."""
        if not {"symbol_counts", "symbol_rows"} <= set(arrays) <= _ARRAYS:
            raise BundleError(f"entropy tables of stream {spec.name}: found {', '.join(sorted(arrays)) or 'none'}")
        return StaticModel(spec, **{name: np.asarray(array) for name, array in arrays.items()})

    # -- grids --------------------------------------------------------------------------------------------------------

    def labels(self, symbols: Ints) -> npt.NDArray[np.uint8]:
        """Classes [...] of tokens [..., C]; all 0 without classes."""
        return activity(symbols, self.thresholds)

    def encode(self, symbols: Ints, side: Ints | None = None, before: Ints | None = None) -> bytes:
        """A grid [S, H, W, C] to bytes.

        side: [S, H, W] in [0, sides), None for all 0. before: [H, W, C], the last slice of the segment that this one
        leans on, or None. The decoder must be given the same two. UsageError when something does not fit the stream.
        """
        moved = shifted(check_grid(symbols, self.spec), self.spec)
        labels = self.labels(symbols)
        side, past = self._known(symbols.shape[:3], side, before)
        writer = RangeWriter()
        for t in range(len(symbols)):
            if self.classes is not None:
                for at, rows in self._class_rows(labels[t], past, side[t]):
                    writer.put(labels[t][at].ravel(), rows.ravel(), self.classes)
            coded, rows = self._symbol_rows(labels[t], side[t])
            writer.put(moved[t][coded].ravel(), rows.ravel(), self.symbols)
            past = labels[t]
        return writer.finish()

    def decode(
        self, data: bytes, shape: Sequence[int], side: Ints | None = None, before: Ints | None = None
    ) -> npt.NDArray[np.int32]:
        """The grid [S, H, W, C] of shape (S, H, W) from bytes. DamageError when no writer could have written them."""
        slices, height, width = (int(n) for n in shape)
        checked_size((slices, height, width, self.spec.channels), self.spec)
        side, past = self._known((slices, height, width), side, before)
        symbols = np.zeros((slices, height, width, self.spec.channels), np.int32)
        reader = RangeReader(data)
        for t in range(slices):
            labels = np.zeros((height, width), np.uint8)
            if self.classes is not None:
                for at, rows in self._class_rows(labels, past, side[t]):
                    labels[at] = reader.get(rows.ravel(), self.classes).reshape(rows.shape)
            coded, rows = self._symbol_rows(labels, side[t])
            symbols[t][coded] = reader.get(rows.ravel(), self.symbols).reshape(rows.shape) - self.spec.bound
            past = labels
        return symbols

    def cost_bits(self, symbols: Ints, side: Ints | None = None, before: Ints | None = None) -> tuple[float, float]:
        """What `encode` spends, without coding: (bits of the classes, bits of the symbols)."""
        moved = shifted(check_grid(symbols, self.spec), self.spec)
        labels = self.labels(symbols)
        side, past = self._known(symbols.shape[:3], side, before)
        of_classes = of_symbols = 0.0
        for t in range(len(symbols)):
            if self.classes is not None:
                for at, rows in self._class_rows(labels[t], past, side[t]):
                    of_classes += float(self.classes.bits[rows, labels[t][at]].sum())
            coded, rows = self._symbol_rows(labels[t], side[t])
            of_symbols += float(self.symbols.bits[rows, moved[t][coded]].sum())
            past = labels[t]
        return of_classes, of_symbols

    def _known(self, shape: tuple[int, ...], side: Ints | None, before: Ints | None) -> tuple[Ints, Ints | None]:
        """The side information, checked, and the classes of the slice before."""
        spec = self.spec
        if spec.kind != "grid":
            raise UsageError(f"stream {spec.name} is not a grid")
        if side is None:
            side = np.zeros(shape, np.uint8)
        if side.shape != shape or (side.size and not 0 <= int(side.min()) <= int(side.max()) < spec.sides):
            raise UsageError(f"stream {spec.name}: side information must be {shape}, in 0..{spec.sides - 1}")
        if before is not None and before.shape != (*shape[1:], spec.channels):
            raise UsageError(f"stream {spec.name}: the slice before {before.shape} is not as those of {shape}")
        return side, None if before is None else self.labels(before)

    def _class_rows(self, labels: Ints, past: Ints | None, side: Ints) -> Iterator[tuple[At, Ints]]:
        """The passes of a slice in coding order, each with the rows of its classes."""
        for at, number, before, around in class_contexts(labels, past, self.spec.classes):
            yield at, self.class_rows[side[at], number, before, around]

    def _symbol_rows(self, labels: Ints, side: Ints) -> tuple[npt.NDArray[np.bool_], Ints]:
        """Which tokens [H, W] of a slice have symbols to code, and the rows [n, C] of those."""
        coded = np.ones(labels.shape, np.bool_) if self.classes is None else labels > 0
        return coded, self.symbol_rows[side[coded], labels[coded]]

    # -- sequences ----------------------------------------------------------------------------------------------------

    def encode_sequence(self, symbols: Ints, lengths: Lengths, side: int = 0) -> bytes:
        """The first lengths[n] positions of every item n of [N, K, C] to bytes, `side` in [0, sides). UsageError when that does not fit."""
        kept = check_sequence(symbols, lengths, self.spec)
        writer = RangeWriter()
        writer.put(shifted(symbols[kept], self.spec).ravel(), self._sequence_rows(kept, side).ravel(), self.symbols)
        return writer.finish()

    def decode_sequence(self, data: bytes, lengths: Lengths, side: int = 0) -> npt.NDArray[np.int32]:
        """[N, max(lengths), C], zero past each item's length."""
        kept = kept_positions(lengths, self.spec)
        rows = self._sequence_rows(kept, side)
        symbols = np.zeros((*kept.shape, self.spec.channels), np.int32)
        symbols[kept] = RangeReader(data).get(rows.ravel(), self.symbols).reshape(rows.shape) - self.spec.bound
        return symbols

    def _sequence_rows(self, kept: npt.NDArray[np.bool_], side: int) -> Ints:
        """The rows [n, C] of the kept places."""
        position = np.nonzero(kept)[1]
        if self.spec.kind != "sequence" or position.max(initial=0) >= self.symbol_rows.shape[1]:
            raise UsageError(f"stream {self.spec.name} has no tables for {kept.shape[1]} positions")
        if not 0 <= side < self.spec.sides:
            raise UsageError(f"stream {self.spec.name}: side {side} is not in 0..{self.spec.sides - 1}")
        return np.asarray(self.symbol_rows[side, position])

    # -- what things cost ---------------------------------------------------------------------------------------------

    def bit_table(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint16]]:
        """(bits [K2, 2*bound+1], symbol_rows): z of channel c costs bits[symbol_rows[side, class, c], z + bound]."""
        return self.symbols.bits, self.symbol_rows

    def class_bits(self) -> npt.NDArray[np.float32]:
        """[sides, classes]: the mean cost of a token's class over the samples that the tables were fitted to."""
        return self._class_bits


def _rows(rows: Ints, tables: Tables, spec: StreamSpec) -> npt.NDArray[np.uint16]:
    rows = np.asarray(rows)
    _demand(rows.ndim >= 3 and rows.size > 0 and rows.dtype.kind in "iu", "a map of rows", spec)
    _demand(0 <= int(rows.min()) <= int(rows.max()) < len(tables), "a map of rows", spec)
    return rows.astype(np.uint16)


def _demand(fits: bool, what: str, spec: StreamSpec) -> None:
    if not fits:
        raise BundleError(f"entropy tables of stream {spec.name}: {what} does not fit the stream")
