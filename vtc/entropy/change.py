"""The `change` profile: what differs from the segment before, compressed by zstandard. Pictures that stay cost next to nothing in it."""

import io

import numpy as np
import numpy.typing as npt
import zstandard

from vtc.entropy.stream import Ints, StreamSpec, checked_size, shifted
from vtc.errors import DamageError

_LEVEL = 19
_WINDOW_LOG = 20


class ChangeModel:
    """For any stream; `before` is as large as what is coded, and zero where the segment before has nothing. Needs no tables."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.bytes = 1 if 4 * spec.bound < 256 else 2  # of a difference

    def encode(self, symbols: Ints, before: Ints) -> bytes:
        """Nothing where all is as before. Otherwise a zstandard frame of the differences d in order, each as 2d (or -2d - 1 below zero) in
        one byte, or in two where that can be more than 255: first the low bytes of all of them, then the high ones."""
        change = (shifted(symbols, self.spec) - shifted(before, self.spec)).reshape(-1)
        if not change.any():
            return b""
        folded = np.where(change < 0, -2 * change - 1, 2 * change).astype("<u2").view(np.uint8).reshape(-1, 2)
        planes = np.ascontiguousarray(folded.T[: self.bytes]).tobytes()
        options = zstandard.ZstdCompressionParameters.from_level(
            _LEVEL, source_size=len(planes), window_log=_WINDOW_LOG, write_content_size=False
        )
        return zstandard.ZstdCompressor(compression_params=options).compress(planes)

    def decode(self, data: bytes, before: Ints) -> npt.NDArray[np.int32]:
        """The symbols. DamageError when the bytes do not make as many, or make one that cannot be."""
        if not data:
            return before.astype(np.int32)
        size = checked_size(before.shape, self.spec) * self.bytes
        try:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << _WINDOW_LOG).stream_reader(io.BytesIO(data))
            planes = reader.read(size + 1)  # never more, whatever the frame claims
        except zstandard.ZstdError as error:
            raise DamageError(f"stream {self.spec.name}: its changes do not unpack") from error
        if len(planes) != size:
            raise DamageError(f"stream {self.spec.name}: its changes are not {before.size} symbols")
        parts = np.frombuffer(planes, np.uint8).reshape(self.bytes, -1).astype(np.int32)
        folded = parts[0] if self.bytes == 1 else parts[0] | parts[1] << 8
        symbols = before + np.where(folded & 1, -(folded >> 1) - 1, folded >> 1).reshape(before.shape)
        if symbols.size and max(int(symbols.max()), -int(symbols.min())) > self.spec.bound:
            raise DamageError(f"stream {self.spec.name}: a change leads out of range")
        return symbols.astype(np.int32)
