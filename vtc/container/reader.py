"""Reading a `.vtc` file: any segment, in any order, and what can be saved of a damaged one."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from vtc.container import chunk
from vtc.container.accounting import ByteCount
from vtc.container.chunk import CHUNK_OVERHEAD, FOOTER_BYTES, SIGNATURE, Source, check_signature, refuse_unknown
from vtc.container.header import Header, parse_header
from vtc.container.index import Index, SegmentEntry, Span
from vtc.container.meta import parse_meta
from vtc.container.recover import locate
from vtc.container.scan import Finding
from vtc.container.segment import Segment, parse_segment
from vtc.container.varint import Malformed
from vtc.errors import DamageError, FormatError

MAX_HEAD = 4096
_KEEP_REST = "`--on-damage skip` keeps what is whole; a new copy of the file may be intact"


class Reader:
    """A `.vtc` file in `file`, a seekable binary file object that stays open and belongs to the caller. Safe to share
    by threads.

    header, index: see there. tags: of the source. recovered: whether the file had to be scanned because its end is not
    what was written. problems: a sentence for everything that is known to be wrong so far. Raises `FormatError` when it
    is no `.vtc` file or one of an unknown version, `DamageError` when its header is damaged; anything else that is
    damaged is met only when it is read.
    """

    def __init__(self, file: BinaryIO, name: str = "the file") -> None:
        self._source = Source(file, name)
        check_signature(self._source)
        self.header, self._start = _read_header(self._source)
        contents = locate(self._source, self._start, self.header)
        self.index: Index = contents.index
        self.recovered: bool = contents.recovered
        self._index_span = contents.index_span
        self._findings = contents.findings
        self.tags: dict[str, str] = {}
        self.problems = [str(finding) for finding in contents.findings]
        for span in self.index.other:
            try:
                self._read_other(span)
            except ValueError as problem:
                self.problems.append(str(Finding("meTa", span, problem=str(problem))))

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._source.size

    @property
    def duration(self) -> Fraction:
        """Seconds from the first frame to the end of the last."""
        first = self.index.segments[0].pts if self.index.segments else self.index.end_pts
        return (self.index.end_pts - first) * self.header.time_base

    def segment(self, number: int) -> Segment:
        """Segment `number`. Raises `DamageError` naming it and its time, `IndexError` when there is no such number."""
        if not 0 <= number < len(self.index.segments):
            raise IndexError(f"segment {number} of {len(self.index.segments)}")
        entry = self.index.segments[number]
        try:
            return self._read_segment(entry)
        except ValueError as problem:
            begin, end = (float(pts * self.header.time_base) for pts in (entry.pts, self.index.end_of(number)))
            raise DamageError(
                f"{self._source.name}: segment {number} ({begin:.2f} s to {end:.2f} s) is damaged: {problem}",
                _KEEP_REST,
                segment=number,
            ) from problem

    def audio_pieces(self, *, skip_damaged: bool = False) -> Iterator[bytes]:
        """The audio sidecar piece by piece. Raises `DamageError` at a damaged piece, or passes over it."""
        for span in self.index.audio:
            try:
                yield self._read(span, chunk.AUDIO)
            except ValueError as problem:
                if not skip_damaged:
                    what = f"{self._source.name}: audio in bytes {span.offset} to {span.end} is damaged"
                    raise DamageError(f"{what}: {problem}", _KEEP_REST) from problem

    def verify(self) -> list[Finding]:
        """Read every chunk and compare its checksum and its sense. One finding a chunk, in the order of the file."""
        findings = [Finding("HEAD", Span(0, self._start)), *self._findings]
        for entry in self.index.segments:
            findings.append(self._check("SEGM", entry.span or Span(0, 0), entry))
        findings += [self._check("auDt", span) for span in self.index.audio]
        findings += [self._check("meTa", span) for span in self.index.other]
        if self._index_span:
            findings.append(Finding("INDX", self._index_span))
            if not self.recovered:
                findings.append(Finding("footer", Span(self._index_span.end, FOOTER_BYTES)))
        return sorted(findings, key=lambda finding: finding.span.offset)

    def count_bytes(self) -> ByteCount:
        """Where the bytes of the file go; reads all segments. What is damaged counts as `other`."""
        count = ByteCount(header=self._start)
        for entry in self.index.segments:
            try:
                segment = self._read_segment(entry)
            except ValueError:
                continue
            if entry.span:
                count.add_segment(segment, entry.span.length - CHUNK_OVERHEAD)
        count.audio = sum(span.length for span in self.index.audio)
        for span in self.index.other:
            count.meta += span.length if self._source.read(span.offset, 4) == chunk.META else 0
        if self._index_span:
            count.index = self._source.size - self._index_span.offset
        count.other = self._source.size - count.total
        return count

    def _read(self, span: Span, type: bytes) -> bytes:
        found = self._source.chunk(span.offset, span.length)
        if found.type != type:
            raise Malformed(f"it is a {found.type.decode()} where a {type.decode()} is expected")
        return found.payload

    def _read_segment(self, entry: SegmentEntry) -> Segment:
        if entry.span is None:
            raise Malformed("it is missing from the file")
        segment = parse_segment(self._read(entry.span, chunk.SEGM))
        if (segment.number, segment.pts[0], segment.frames, segment.leans) != (
            entry.number, entry.pts, entry.frames, entry.leans,
        ):  # fmt: skip
            raise Malformed("it is another one than the index says")
        if segment.frames > self.header.clip_frames:
            raise Malformed("it has more frames than the header allows")
        return segment

    def _read_other(self, span: Span) -> None:
        found = self._source.chunk(span.offset, span.length)
        refuse_unknown(self._source, found)
        if found.critical:
            raise Malformed(f"a {found.type.decode()} is where it cannot be")
        if found.type == chunk.META:  # others are of a later minor version, and not needed
            self.tags.update(parse_meta(found.payload))

    def _check(self, type: str, span: Span, entry: SegmentEntry | None = None) -> Finding:
        try:
            if entry:
                self._read_segment(entry)
            elif type == "auDt":
                self._read(span, chunk.AUDIO)
            else:
                found = self._source.chunk(span.offset, span.length)
                type = found.type.decode()
                if found.type == chunk.META:
                    parse_meta(found.payload)
                elif found.critical:
                    raise Malformed("it is where it cannot be")
        except ValueError as problem:
            return Finding(type, span, entry.number if entry else None, str(problem))
        return Finding(type, span, entry.number if entry else None)


def is_vtc(path: str | Path) -> bool:
    """Whether the file at `path` begins as a `.vtc` file does. `-` is standard input, of which nothing is taken; other pipes cannot be
    asked: False."""
    if str(path) == "-":
        peek = getattr(sys.stdin.buffer, "peek", None)
        return peek is not None and bytes(peek(len(SIGNATURE))).startswith(SIGNATURE)
    if not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


@contextmanager
def open_reader(path: str | Path) -> Iterator[Reader]:
    """A `Reader` of the file at `path`. `-` is standard input; pipes are copied to a temporary file first."""
    name = "standard input" if str(path) == "-" else str(path)
    with ExitStack() as stack:
        try:
            file: BinaryIO = sys.stdin.buffer if str(path) == "-" else stack.enter_context(open(path, "rb"))
            if str(path) == "-" or not file.seekable():
                spool = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(file, spool)
                file = spool
        except OSError as error:
            raise FormatError(f"{name} cannot be read: {error.strerror or error}", "check the path") from error
        yield Reader(file, name)


def _read_header(source: Source) -> tuple[Header, int]:
    """The header and the offset of the first byte behind it."""
    start = len(SIGNATURE)
    try:
        end = start + CHUNK_OVERHEAD + MAX_HEAD
        found = source.chunk(start, end=min(end, source.size))
        if found.type != chunk.HEAD:
            raise Malformed(f"a {found.type.decode()} is in its place")
        return parse_header(found.payload), start + CHUNK_OVERHEAD + len(found.payload)
    except FormatError as error:
        raise FormatError(f"{source.name}: {error.message}", error.hint) from error
    except ValueError as problem:
        raise DamageError(f"{source.name}: the header is damaged: {problem}", "copy the file again") from problem
