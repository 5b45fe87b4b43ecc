"""Range coding with integer frequency tables. The only user of constriction.

Every table is a row of integer frequencies, given to constriction as float64: integers are exact there, and what it does
with them (`perfect=False`) is plain IEEE arithmetic, so the models are the same on every machine. The dtype is thereby
part of the format. Symbols are coded grouped by row (stable order), one call a row: as fast as one shared table.

The bytes are the code value, most significant first, cut to the shortest string that still lies in the final interval
when continued by zeros: on average one byte above the information, where whole 32-bit words would cost about four.
"""

from functools import cached_property
from typing import Any

import constriction  # type: ignore[import-untyped,unused-ignore]
import numpy as np
import numpy.typing as npt

from vtc.entropy.stream import Ints
from vtc.errors import BundleError, DamageError

MAX_TOTAL = 1 << 22  # of a row; two bits below the coder's 24, so that rounding to its grid costs nothing that matters

_EACH = constriction.stream.model.Categorical(perfect=False)  # a distribution of its own for every symbol
_STATE = 64  # bits of the coder's state; a word is half of it


class Tables:
    """Frequency rows for one alphabet.

    counts: [K, A] integers >= 1, K <= 65535, A >= 2, each row's total at most 2**22. BundleError otherwise.
    """

    def __init__(self, counts: Ints) -> None:
        counts = np.asarray(counts)
        if counts.ndim != 2 or counts.dtype.kind not in "iu" or not 1 <= len(counts) <= 65535 or counts.shape[1] < 2:
            raise BundleError(f"frequency tables of shape {counts.shape} and type {counts.dtype} cannot be used")
        if int(counts.min()) < 1 or int(counts.astype(np.int64).sum(1).max()) > MAX_TOTAL:
            raise BundleError("a frequency table has a count below 1 or a total above 2**22")
        self.counts: npt.NDArray[np.uint32] = counts.astype(np.uint32)
        self._models: dict[int, Any] = {}

    def __len__(self) -> int:
        return int(self.counts.shape[0])

    def model(self, row: int) -> Any:
        """constriction's model of a row, made at first use."""
        if row not in self._models:
            frequencies = self.counts[row].astype(np.float64)
            self._models[row] = constriction.stream.model.Categorical(frequencies, perfect=False)
        return self._models[row]

    @cached_property
    def bits(self) -> npt.NDArray[np.float32]:
        """[K, A]: what each symbol costs in each row, in bits."""
        counts = self.counts.astype(np.float64)
        return np.asarray(np.log2(counts.sum(1, keepdims=True)) - np.log2(counts), np.float32)


def _grouped(rows: Ints, tables: Tables) -> tuple[npt.NDArray[np.intp], list[tuple[int, int, int]]]:
    """The stable order that brings equal rows together, and (row, start, stop) of each run in it."""
    narrow = rows.astype(np.uint8 if len(tables) <= 256 else np.uint16)  # narrow integers get numpy's radix sort
    counts = np.bincount(narrow, minlength=len(tables))
    used = counts.nonzero()[0]
    ends = counts[used].cumsum().tolist()
    runs = list(zip(used.tolist(), [0, *ends[:-1]], ends))
    order = np.arange(len(narrow)) if len(runs) < 2 else np.argsort(narrow, kind="stable")
    return order, runs


class RangeWriter:
    """Codes symbols to bytes; `RangeReader.get` reads each `put` back, given the same rows and tables."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def put(self, symbols: Ints, rows: Ints, tables: Tables) -> None:
        """symbols: [N] in 0..A-1; rows: [N] in 0..K-1, the table of each symbol."""
        order, runs = _grouped(rows, tables)
        grouped = np.ascontiguousarray(symbols[order], dtype=np.int32)
        for row, start, stop in runs:
            self._coder.encode(grouped[start:stop], tables.model(row))

    def put_each(self, symbols: Ints, counts: npt.NDArray[np.float64]) -> None:
        """symbols: [N] in 0..A-1; counts: [N, A], the frequencies of each: whole numbers as in `Tables`."""
        if len(symbols):
            self._coder.encode(np.ascontiguousarray(symbols, dtype=np.int32), _EACH, np.ascontiguousarray(counts))

    def finish(self) -> bytes:
        """All that was put, as bytes; no symbols give no bytes."""
        written, (lower, width) = self._coder.pos()
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        head = int.from_bytes(words[:written].astype(">u4").tobytes(), "big")
        # These words were sealed with a point of constriction's choice: take its carry out again. What follows them may be
        # any value in [lower, lower + width), with a carry of its own: choose the one of the fewest bytes.
        head -= (lower + (1 << _STATE // 2) - 1) >> _STATE
        for kept in range(0, _STATE + 8, 8):
            unit = 1 << (_STATE - kept)
            value = -(-lower // unit) * unit
            if value < lower + width:
                break
        code: int = (head << _STATE) + value
        return code.to_bytes(written * 4 + _STATE // 8, "big").rstrip(b"\0")


class RangeReader:
    """Reads what RangeWriter wrote. Other bytes raise DamageError or give wrong symbols: check their CRC first."""

    def __init__(self, data: bytes) -> None:
        padded = data + bytes(-len(data) % 4 + 8)
        self._coder = constriction.stream.queue.RangeDecoder(np.frombuffer(padded, dtype=">u4").astype(np.uint32))

    def get(self, rows: Ints, tables: Tables) -> npt.NDArray[np.int32]:
        """rows: [N] in 0..K-1. Gives the symbols [N] in 0..A-1."""
        order, runs = _grouped(rows, tables)
        grouped = np.empty(len(order), np.int32)
        try:
            for row, start, stop in runs:
                grouped[start:stop] = self._coder.decode(tables.model(row), stop - start)
        except AssertionError as error:
            raise DamageError("entropy-coded data does not decode: damaged, or made with other tables") from error
        out = np.empty_like(grouped)
        out[order] = grouped
        return out

    def get_each(self, counts: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        """counts: [N, A], as in `RangeWriter.put_each`. Gives the symbols [N]."""
        if not len(counts):
            return np.zeros(0, np.int32)
        try:
            found: npt.NDArray[np.int32] = self._coder.decode(_EACH, np.ascontiguousarray(counts))
        except AssertionError as error:
            raise DamageError("entropy-coded data does not decode: damaged, or made with other tables") from error
        return found
