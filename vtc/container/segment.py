"""The `SEGM` chunk: one clip of the whole picture, with its timestamps. Layout in docs/FORMAT.md."""

import itertools
import math
import struct
from dataclasses import dataclass

from vtc.container.varint import Cursor, Malformed, put_sint, put_uint

PROFILES = ("packed", "static", "context", "change")
"""Names of the entropy profiles; a stream stores the position of its own in here."""

MAX_NUMBER = 2**32 - 1
MAX_FRAMES = 1024
MAX_STREAMS = 16
MAX_TILES = 1 << 12
MAX_TOKENS = 1 << 22
MAX_PTS = 2**61

_LEANS, _PACKED_DURATIONS = 1, 2
_PROFILE_BITS = 3
_WIDTH_LIMIT = 63


@dataclass(frozen=True)
class StreamData:
    """One entropy-coded stream of a segment.

    id: position of the stream in the bundle's order, 0 … 255. profile: position in `PROFILES`. counts: kept tokens, an
    item per tile (a stream over the whole frame has one item), at most 2^22 together. data: what the entropy coder
    wrote.
    """

    id: int
    profile: int
    counts: tuple[int, ...]
    data: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.id <= 255:
            raise ValueError(f"stream number {self.id} is outside 0 … 255")
        if not 0 <= self.profile < len(PROFILES):
            raise ValueError(f"entropy profile {self.profile} is not known")
        if len(self.counts) > MAX_TILES or min(self.counts, default=0) < 0 or sum(self.counts) > MAX_TOKENS:
            raise ValueError("the token counts are out of range")

    @property
    def tokens(self) -> int:
        """Tokens of all tiles together."""
        return sum(self.counts)


@dataclass(frozen=True)
class Segment:
    """One segment: the frames with these timestamps. Raises `ValueError` when a field is out of range.

    number: position in the file from 0. leans: whether decoding needs the segment before (same prediction loop). pts:
    one per real frame, strictly increasing, in units of the header's time base. last_duration: of the last frame, 0
    when unknown. step: quantiser step or gain; it is rounded to float32 here, so that the encoder works with the very
    number that the decoder will read. symbols_crc: crc32 of the symbols of all streams in order, checked after entropy
    decoding.
    """

    number: int
    leans: bool
    pts: tuple[int, ...]
    last_duration: int
    step: float
    streams: tuple[StreamData, ...]
    symbols_crc: int

    def __post_init__(self) -> None:
        if not 0 <= self.number <= MAX_NUMBER:
            raise ValueError(f"segment number {self.number} is out of range")
        if self.leans and self.number == 0:
            raise ValueError("the first segment cannot lean on one before it")
        if not 1 <= len(self.pts) <= MAX_FRAMES:
            raise ValueError(f"a segment of {len(self.pts)} frames is out of range")
        if any(later <= earlier for earlier, later in itertools.pairwise(self.pts)):
            raise ValueError("timestamps do not increase")
        if self.pts[0] < -MAX_PTS or self.last_duration < 0 or self.end_pts > MAX_PTS:
            raise ValueError("timestamps are out of range")
        if len(self.streams) > MAX_STREAMS or len({stream.id for stream in self.streams}) < len(self.streams):
            raise ValueError("there are too many streams, or one of them twice")
        if not (math.isfinite(self.step) and 0 <= self.step <= 3e38):
            raise ValueError(f"step {self.step} is not a finite number from 0")
        if not 0 <= self.symbols_crc < 2**32:
            raise ValueError("the checksum of the symbols has more than 32 bits")
        object.__setattr__(self, "step", struct.unpack("<f", struct.pack("<f", self.step))[0])

    @property
    def frames(self) -> int:
        """How many frames it shows."""
        return len(self.pts)

    @property
    def end_pts(self) -> int:
        """Where its last frame ends."""
        return self.pts[-1] + self.last_duration

    @property
    def durations(self) -> tuple[int, ...]:
        """Duration of every frame, in units of the time base."""
        return (*(later - earlier for earlier, later in itertools.pairwise(self.pts)), self.last_duration)


def pack_segment(segment: Segment) -> bytes:
    """The payload of the `SEGM` chunk: about 16 bytes and 6 a stream around the coded data."""
    runs, packed = _pack_runs(segment.durations), _pack_bits(segment.durations)
    use_packed = len(packed) < len(runs)
    out = bytearray([segment.leans * _LEANS | use_packed * _PACKED_DURATIONS])
    put_uint(out, segment.number)
    put_uint(out, segment.frames)
    put_sint(out, segment.pts[0])
    out += packed if use_packed else runs
    out += struct.pack("<fI", segment.step, segment.symbols_crc)
    put_uint(out, len(segment.streams))
    for stream in segment.streams:
        put_uint(out, stream.id << _PROFILE_BITS | stream.profile)
        put_uint(out, len(stream.counts))
        out += _pack_runs(stream.counts)
        put_uint(out, len(stream.data))
        out += stream.data
    return bytes(out)


def parse_segment(payload: bytes) -> Segment:
    """The segment in a `SEGM` payload. Raises `ValueError` when the bytes follow no rule."""
    cursor = Cursor(payload)
    flags = cursor.byte()
    if flags > (_LEANS | _PACKED_DURATIONS):
        raise Malformed("unknown flags are set")
    number, frames, first = cursor.uint(MAX_NUMBER), cursor.uint(MAX_FRAMES), cursor.sint()
    durations = (_parse_bits if flags & _PACKED_DURATIONS else _parse_runs)(cursor, frames)
    if not durations:
        raise Malformed("it has no frames")
    step, symbols_crc = cursor.f32(), cursor.u32()
    streams = tuple(_parse_stream(cursor) for _ in range(cursor.uint(MAX_STREAMS)))
    cursor.finish()
    pts = tuple(itertools.accumulate(durations[:-1], initial=first))
    return Segment(number, bool(flags & _LEANS), pts, durations[-1], step, streams, symbols_crc)


def _parse_stream(cursor: Cursor) -> StreamData:
    key = cursor.uint()
    counts = _parse_runs(cursor, cursor.uint(MAX_TILES))
    return StreamData(
        key >> _PROFILE_BITS, key & (1 << _PROFILE_BITS) - 1, tuple(counts), cursor.take(cursor.uint())
    )


def _pack_runs(values: tuple[int, ...]) -> bytes:
    """Runs of equal values: varint(2·value + more), then, where more is 1, varint(repeats - 2)."""
    out = bytearray()
    for value, run in itertools.groupby(values):
        repeats = sum(1 for _ in run)
        put_uint(out, value << 1 | (repeats > 1))
        if repeats > 1:
            put_uint(out, repeats - 2)
    return bytes(out)


def _parse_runs(cursor: Cursor, count: int) -> list[int]:
    values: list[int] = []
    while len(values) < count:
        key = cursor.uint()
        repeats = cursor.uint(count) + 2 if key & 1 else 1
        if repeats > count - len(values):
            raise Malformed("a run is longer than what it is part of")
        values.extend([key >> 1] * repeats)
    return values


def _pack_bits(values: tuple[int, ...]) -> bytes:
    """Values near each other: varint(smallest), bits per value, then each value's distance from the smallest, lowest
    bit first.

    Made for clocks too coarse for the frame rate (33, 33, 34, 33, … ms), where runs are short and distances tiny.
    """
    smallest = min(values)
    width = (max(values) - smallest).bit_length()
    out = bytearray()
    put_uint(out, smallest)
    out.append(width)
    bits = sum((value - smallest) << place * width for place, value in enumerate(values))
    return bytes(out) + bits.to_bytes((len(values) * width + 7) // 8, "little")


def _parse_bits(cursor: Cursor, count: int) -> list[int]:
    smallest, width = cursor.uint(), cursor.byte()
    if width > _WIDTH_LIMIT:
        raise Malformed("durations are wider than 63 bits")
    bits = int.from_bytes(cursor.take((count * width + 7) // 8), "little")
    if bits >> count * width:
        raise Malformed("bits are set behind the last duration")
    mask = (1 << width) - 1
    return [smallest + (bits >> place * width & mask) for place in range(count)]
