"""Whole numbers as few bytes: LEB128 varints, zigzag for signed ones, and a cursor that never reads past its end.

All numbers fit 64 bits. An encoding is canonical (no needless zero bytes at its end), so that equal content has equal
bytes.
"""

import struct

MAX_UINT = 2**64 - 1
MAX_BYTES = 10


class Malformed(ValueError):
    """Bytes that follow no rule of the format. Callers turn it into a `VtcError` that says where."""


def put_uint(out: bytearray, value: int) -> None:
    """Append `value` in [0, 2**64) as a varint: 7 bits a byte, lowest first, the high bit says that more follow."""
    if not 0 <= value <= MAX_UINT:
        raise ValueError(f"{value} is outside 0 .. 2^64 - 1")
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def put_sint(out: bytearray, value: int) -> None:
    """Append `value` in [-2**63, 2**63) as the varint of its zigzag: 0, -1, 1, -2, … become 0, 1, 2, 3, …"""
    put_uint(out, value << 1 if value >= 0 else (-value << 1) - 1)


class Cursor:
    """Reads numbers one after the other out of `data`. Every method raises `Malformed` at the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if count > self.left:
            raise Malformed(f"{count} bytes are wanted where {self.left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """The next byte as a number."""
        return self.take(1)[0]

    def u32(self) -> int:
        """The next four bytes as a little-endian number."""
        return int.from_bytes(self.take(4), "little")

    def f32(self) -> float:
        """The next four bytes as a little-endian IEEE 754 single."""
        return float(struct.unpack("<f", self.take(4))[0])

    def uint(self, limit: int = MAX_UINT) -> int:
        """The next varint, at most `limit`."""
        value = 0
        for shift in range(0, 7 * MAX_BYTES, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise Malformed("a number is written with needless bytes")
                if value > limit:
                    raise Malformed(f"{value} is larger than {limit}, the most allowed here")
                return value
        raise Malformed("a number is longer than 64 bits")

    def sint(self) -> int:
        """The next zigzag varint."""
        value = self.uint()
        return value >> 1 if value & 1 == 0 else -(value >> 1) - 1

    def finish(self) -> None:
        """Raise `Malformed` unless everything has been read."""
        if self.left:
            raise Malformed(f"{self.left} bytes are left over")
