"""What a stream of symbols looks like to the entropy coder, and the checksum that a segment stores of its symbols."""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vtc.errors import FormatError, UsageError

Ints = npt.NDArray[Any]  # any integer dtype; what a function asks of it is in its docstring
Floats = npt.NDArray[np.floating]
Lengths = Sequence[int] | Ints  # kept positions of each item of a sequence

MAX_SYMBOLS = 1 << 28  # of one stream of one segment; a damaged count must not become a huge allocation


@dataclass(frozen=True)
class StreamSpec:
    """One stream of integer symbols in [-bound, bound].

    kind `grid`: symbols are [S, H, W, C] (slices, rows, columns, channels), all there.
    kind `sequence`: symbols are [N, K, C] (items, positions, channels); an item keeps its first `length` positions.
    classes: activity classes of a grid token, 1 for none (see static.py). sides: how many values the side information of
    a grid token, or of a whole sequence, has, which the decoder knows before the stream (for instance: stands alone, or
    predicted; how fine the step is).
    """

    name: str
    channels: int
    bound: int
    kind: Literal["grid", "sequence"] = "grid"
    classes: int = 1
    sides: int = 1

    def __post_init__(self) -> None:
        if self.kind not in ("grid", "sequence"):
            raise UsageError(f"stream {self.name}: kind {self.kind!r} is neither 'grid' nor 'sequence'")
        if not 1 <= self.bound <= 4095:
            raise UsageError(f"stream {self.name}: bound {self.bound} is not in 1..4095")
        if self.channels < 1 or self.sides < 1 or not 1 <= self.classes <= 64:
            raise UsageError(f"stream {self.name}: channels, sides and classes (at most 64) must be positive")
        if self.kind == "sequence" and self.classes != 1:
            raise UsageError(f"stream {self.name}: only a grid has classes")

    @property
    def alphabet(self) -> int:
        """Number of different symbols."""
        return 2 * self.bound + 1


def shifted(symbols: Ints, spec: StreamSpec) -> npt.NDArray[np.int32]:
    """Symbols moved to 0..2*bound, as int32. UsageError when a symbol lies outside [-bound, bound]."""
    if symbols.size and (int(symbols.min()) < -spec.bound or int(symbols.max()) > spec.bound):
        raise UsageError(f"stream {spec.name}: a symbol is outside of +-{spec.bound}", "clamp before coding")
    return symbols.astype(np.int32) + np.int32(spec.bound)


def checked_size(shape: Iterable[int], spec: StreamSpec) -> int:
    """Number of elements of `shape`; FormatError when negative or more than any real file needs."""
    total = 1
    for n in shape:
        if n < 0:
            raise FormatError(f"stream {spec.name}: a negative count")
        total *= int(n)
    if total > MAX_SYMBOLS:
        raise FormatError(f"stream {spec.name}: {total} symbols in one segment are more than the {MAX_SYMBOLS} allowed")
    return total


def check_grid(symbols: Ints, spec: StreamSpec) -> Ints:
    """The symbols, if they are [S, H, W, C] of this stream; UsageError if not."""
    if spec.kind != "grid" or symbols.ndim != 4 or symbols.shape[3] != spec.channels:
        raise UsageError(
            f"stream {spec.name} ({spec.kind}, {spec.channels} channels) is no grid of shape {symbols.shape}"
        )
    return symbols


def kept_positions(lengths: Lengths, spec: StreamSpec) -> npt.NDArray[np.bool_]:
    """[N, max(lengths)]: True where an item has a token. FormatError for negative or absurd lengths."""
    counts = np.asarray(lengths, np.int64).reshape(-1)
    longest = int(counts.max(initial=0))
    if counts.min(initial=0) < 0:
        raise FormatError(f"stream {spec.name}: a negative length")
    checked_size((len(counts), longest, spec.channels), spec)
    return np.asarray(np.arange(longest) < counts[:, None])


def check_sequence(symbols: Ints, lengths: Lengths, spec: StreamSpec) -> npt.NDArray[np.bool_]:
    """[N, K]: True where symbols [N, K, C] of this stream are kept; UsageError if they do not go with the lengths."""
    kept = kept_positions(lengths, spec)
    if spec.kind != "sequence" or symbols.ndim != 3 or symbols.shape[2] != spec.channels:
        raise UsageError(
            f"stream {spec.name} ({spec.kind}, {spec.channels} channels) is no sequence of {symbols.shape}"
        )
    if len(kept) != len(symbols) or kept.shape[1] > symbols.shape[1]:
        raise UsageError(f"stream {spec.name}: {len(kept)} lengths up to {kept.shape[1]} for symbols {symbols.shape}")
    return np.pad(kept, ((0, 0), (0, symbols.shape[1] - kept.shape[1])))


def symbols_crc(arrays: Iterable[Ints]) -> int:
    """CRC-32 of all symbols as little-endian int32, the arrays in stream order, each in C order."""
    crc = 0
    for array in arrays:
        crc = zlib.crc32(np.ascontiguousarray(array, dtype="<i4").tobytes(), crc)
    return crc
