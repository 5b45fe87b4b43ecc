"""The `packed` profile: a fixed number of bits for every symbol. Needs no tables, so it is always possible."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

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
from vtc.errors import DamageError


class PackedModel:
    """The same four methods as StaticModel, for any stream; `side` and `before` change nothing."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.width = (spec.alphabet - 1).bit_length()  # bits of a symbol

    def size(self, count: int) -> int:
        """Bytes of so many symbols."""
        return (count * self.width + 7) // 8

    def encode(self, symbols: Ints, side: Ints | None = None, before: Ints | None = None) -> bytes:
        """A grid [S, H, W, C] to bytes."""
        return self._pack(check_grid(symbols, self.spec))

    def decode(
        self, data: bytes, shape: Sequence[int], side: Ints | None = None, before: Ints | None = None
    ) -> npt.NDArray[np.int32]:
        """The grid [S, H, W, C] of shape (S, H, W) from bytes. DamageError when they are not as many as that takes."""
        full = (*(int(n) for n in shape), self.spec.channels)
        return self._unpack(data, checked_size(full, self.spec)).reshape(full)

    def encode_sequence(self, symbols: Ints, lengths: Lengths, side: int = 0) -> bytes:
        """The first lengths[n] positions of every item n of [N, K, C] to bytes."""
        return self._pack(symbols[check_sequence(symbols, lengths, self.spec)])

    def decode_sequence(self, data: bytes, lengths: Lengths, side: int = 0) -> npt.NDArray[np.int32]:
        """[N, max(lengths), C], zero past each item's length."""
        kept = kept_positions(lengths, self.spec)
        symbols = np.zeros((*kept.shape, self.spec.channels), np.int32)
        symbols[kept] = self._unpack(data, int(kept.sum()) * self.spec.channels).reshape(-1, self.spec.channels)
        return symbols

    def _pack(self, symbols: Ints) -> bytes:
        moved = shifted(symbols, self.spec).reshape(-1, 1)
        return np.packbits(((moved >> np.arange(self.width)[::-1]) & 1).astype(np.uint8)).tobytes()

    def _unpack(self, data: bytes, count: int) -> npt.NDArray[np.int32]:
        """[count] symbols."""
        if len(data) != self.size(count):
            raise DamageError(f"stream {self.spec.name}: {len(data)} bytes are not {count} packed symbols")
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=count * self.width).reshape(-1, self.width)
        moved = np.zeros(count, np.int32)
        for column in range(self.width):
            moved = moved << 1 | bits[:, column]
        if count and int(moved.max()) >= self.spec.alphabet:
            raise DamageError(f"stream {self.spec.name}: a packed symbol is out of range")
        return moved - np.int32(self.spec.bound)
