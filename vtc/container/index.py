"""The `INDX` chunk: the kind and length of every chunk in order, and which frames a segment holds. Layout in
docs/FORMAT.md.

It describes all bytes between header and index without a gap, so offsets need not be stored, and a file that lost or
gained bytes is noticed at once.
"""

from bisect import bisect_right
from dataclasses import dataclass

from vtc.container.chunk import CHUNK_OVERHEAD, MAX_PAYLOAD
from vtc.container.segment import MAX_FRAMES, MAX_PTS, Segment
from vtc.container.varint import Cursor, Malformed, put_sint, put_uint

_ALONE, _LEANS, _AUDIO, _OTHER = range(4)
_KIND_BITS = 2


@dataclass(frozen=True, slots=True)
class Span:
    """Place of a chunk in the file: bytes `offset` to `offset + length`, framing included."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """Offset of the first byte behind it."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """What the index knows of a segment: its place, its frames, the timestamp of the first, whether it leans on the one
    before.

    `span` is None for a segment that is missing from a damaged file; its pts and frames are then from the index, or
    estimated.
    """

    number: int
    span: Span | None
    pts: int
    frames: int
    leans: bool


@dataclass(frozen=True)
class Index:
    """The contents of a file. `segments[i].number == i`; `end_pts`: where the last frame ends, in time base units."""

    segments: tuple[SegmentEntry, ...]
    audio: tuple[Span, ...] = ()
    other: tuple[Span, ...] = ()
    end_pts: int = 0

    @property
    def frames(self) -> int:
        """Frames of all segments together."""
        return sum(entry.frames for entry in self.segments)

    def at(self, pts: int) -> int:
        """Number of the segment shown at `pts`; the first before the video's time, the last after it."""
        return max(bisect_right(self.segments, pts, key=lambda entry: entry.pts) - 1, 0)

    def group_start(self, number: int) -> int:
        """Number of the segment where decoding must begin to reach segment `number`."""
        while self.segments[number].leans:
            number -= 1
        return number

    def end_of(self, number: int) -> int:
        """Timestamp at which segment `number` ends."""
        return self.segments[number + 1].pts if number + 1 < len(self.segments) else self.end_pts


class IndexWriter:
    """Collects the index while a file is written, a few bytes a chunk."""

    def __init__(self) -> None:
        self._entries = bytearray()
        self._pts = self._step = self._last_span = 0

    def add_segment(self, payload_length: int, segment: Segment) -> None:
        """Note a segment. The first timestamp is stored as its distance from an even continuation of the two before."""
        pts = segment.pts[0]
        put_uint(self._entries, payload_length << _KIND_BITS | (_LEANS if segment.leans else _ALONE))
        put_uint(self._entries, segment.frames)
        put_sint(self._entries, pts - self._pts - self._step)
        self._step, self._pts, self._last_span = pts - self._pts, pts, segment.end_pts - pts

    def add_audio(self, payload_length: int) -> None:
        """Note a piece of audio."""
        put_uint(self._entries, payload_length << _KIND_BITS | _AUDIO)

    def add_other(self, payload_length: int) -> None:
        """Note a chunk of any other type."""
        put_uint(self._entries, payload_length << _KIND_BITS | _OTHER)

    def payload(self) -> bytes:
        """The payload of the `INDX` chunk."""
        out = bytearray()
        put_uint(out, self._last_span)
        return bytes(out + self._entries)


def parse_index(payload: bytes, start: int, end: int | None, most: int | None = None) -> Index:
    """The index in an `INDX` payload of a file whose first chunk behind the header is at `start` and whose index is at
    `end`.

    `end` None: the file lost or gained bytes, so places are not checked and only times and numbers are of use; the file
    then does not bound the number of chunks, so `most` must. Raises
    `ValueError` when the bytes follow no rule or do not describe exactly `start` to `end`.
    """
    cursor = Cursor(payload)
    last_span = cursor.uint()
    segments: list[SegmentEntry] = []
    audio: list[Span] = []
    other: list[Span] = []
    offset, pts, step = start, 0, 0
    while cursor.left:
        if most is not None and len(segments) + len(audio) + len(other) >= most:
            raise Malformed("it describes too many chunks")
        key = cursor.uint()
        span = Span(offset, (key >> _KIND_BITS) + CHUNK_OVERHEAD)
        if key >> _KIND_BITS > MAX_PAYLOAD or (end is not None and span.end > end):
            raise Malformed("it leads beyond the file")
        offset, kind = span.end, key & (1 << _KIND_BITS) - 1
        if kind in (_AUDIO, _OTHER):
            (audio if kind == _AUDIO else other).append(span)
            continue
        frames, step = cursor.uint(MAX_FRAMES), step + cursor.sint()
        if not frames or (segments and step <= 0) or (kind == _LEANS and not segments):
            raise Malformed("it holds an impossible segment")
        pts += step
        if abs(pts) + last_span > MAX_PTS:
            raise Malformed("its timestamps are out of range")
        segments.append(SegmentEntry(len(segments), span, pts, frames, kind == _LEANS))
    if end is not None and offset != end:
        raise Malformed("it does not describe the whole file")
    return Index(tuple(segments), tuple(audio), tuple(other), pts + last_span)

