"""Where the parts of a file are: by its index, or by a scan when the index is missing, damaged or untrue."""

from dataclasses import dataclass, replace

from vtc.container import chunk
from vtc.container.chunk import FOOTER_BYTES, FOOTER_MARK, Source, refuse_unknown
from vtc.container.header import Header
from vtc.container.index import Index, SegmentEntry, Span, parse_index
from vtc.container.scan import Finding, scan
from vtc.container.segment import Segment, parse_segment
from vtc.container.varint import Malformed

MAX_MISSING = 1 << 16
"""Segments that a damaged file may lack; a leap in numbers beyond it is taken for damage itself."""


@dataclass(frozen=True)
class Contents:
    """An index that is true for this file. `index_span`: where a true `INDX` lies. `findings`: what recovery met."""

    index: Index
    index_span: Span | None
    recovered: bool = False
    findings: tuple[Finding, ...] = ()


def locate(source: Source, start: int, header: Header) -> Contents:
    """The contents of a file whose header ends at `start`; read in full only if its end is not what was written."""
    try:
        span = _index_span(source, start)
        payload = source.chunk(span.offset, span.length).payload
        return Contents(parse_index(payload, start, span.offset), span)
    except ValueError as problem:
        end = Span(max(source.size - FOOTER_BYTES, start), min(FOOTER_BYTES, source.size - start))
        return _recover(source, start, header, Finding("footer", end, problem=str(problem)))


def _index_span(source: Source, start: int) -> Span:
    footer = source.read(source.size - FOOTER_BYTES, FOOTER_BYTES) if source.size >= start + FOOTER_BYTES else b""
    if footer[4:] != FOOTER_MARK:
        raise Malformed("the end of the file is missing or damaged")
    length = int.from_bytes(footer[:4], "little")
    span = Span(source.size - FOOTER_BYTES - length, length)
    if span.offset < start or source.read(span.offset, 4) != chunk.INDX:
        raise Malformed("the end of the file does not lead to an index")
    return span


def _recover(source: Source, start: int, header: Header, end_problem: Finding) -> Contents:
    """Scan the file. A found index that is still true wins; one that is not still tells times and numbers."""
    found: list[tuple[SegmentEntry, int]] = []
    audio: list[Span] = []
    other: list[Span] = []
    findings: list[Finding] = []
    facts: Index | None = None
    for span, part in scan(source, start):
        if isinstance(part, Finding):
            findings.append(part)
        elif part.type == chunk.SEGM:
            try:
                segment = parse_segment(part.payload)
                _check_order(segment, found, header)
                entry = SegmentEntry(segment.number, span, segment.pts[0], segment.frames, segment.leans)
                found.append((entry, segment.end_pts))
            except ValueError as problem:
                findings.append(Finding("SEGM", span, problem=str(problem)))
        elif part.type == chunk.INDX:
            try:
                index = parse_index(part.payload, start, span.offset)
                rest = Span(span.end, source.size - span.end)
                return Contents(index, span, True, (Finding("footer", rest, problem=end_problem.problem),))
            except ValueError as problem:
                findings.append(Finding("INDX", span, problem=str(problem)))
                facts = facts or _parse_facts(part.payload, start, len(found) + len(audio) + len(other))
        elif part.type == chunk.AUDIO:
            audio.append(span)
        elif part.type != FOOTER_MARK:
            refuse_unknown(source, part)
            other.append(span)
    segments, end_pts = _with_facts(found, facts) or _with_estimates(found, header)
    index = Index(tuple(segments), tuple(audio), tuple(other), end_pts)
    if not any(finding.chunk == "INDX" or finding.span.end == source.size for finding in findings):
        findings.append(end_problem)  # nothing else tells that the end is not what was written
    return Contents(index, None, True, tuple(findings))


def _check_order(segment: Segment, found: list[tuple[SegmentEntry, int]], header: Header) -> None:
    expected, pts = (found[-1][0].number + 1, found[-1][0].pts + 1) if found else (0, segment.pts[0])
    if segment.frames > header.clip_frames:
        raise Malformed("it has more frames than the header allows")
    if segment.number < expected or segment.pts[0] < pts:
        raise Malformed(f"segment {segment.number} is out of order")
    if segment.number - len(found) > MAX_MISSING:
        raise Malformed(f"segment {segment.number} comes after too many missing ones")


def _parse_facts(payload: bytes, start: int, chunks_found: int) -> Index | None:
    try:
        return parse_index(payload, start, None, chunks_found + MAX_MISSING)
    except ValueError:
        return None


def _with_facts(found: list[tuple[SegmentEntry, int]], facts: Index | None) -> tuple[list[SegmentEntry], int] | None:
    """All segments of a displaced index, at the places where they were found; None if the two contradict each other."""
    if facts is None:
        return None
    segments = [replace(entry, span=None) for entry in facts.segments]
    for entry, _ in found:
        if entry.number >= len(segments) or replace(entry, span=None) != segments[entry.number]:
            return None
        segments[entry.number] = entry
    return segments, facts.end_pts


def _with_estimates(found: list[tuple[SegmentEntry, int]], header: Header) -> tuple[list[SegmentEntry], int]:
    """The found segments with gaps in their numbers filled: whole clips, spread evenly over the open time."""
    segments: list[SegmentEntry] = []
    end_pts = 0
    for entry, entry_end in found:
        missing = entry.number - len(segments)
        if not segments:
            end_pts = entry.pts - missing * (entry_end - entry.pts)
        open_time = max(entry.pts - end_pts, 0)
        for place in range(missing):
            number = len(segments)
            leans = number % header.group != 0
            pts = end_pts + open_time * place // missing
            segments.append(SegmentEntry(number, None, pts, header.clip_frames, leans))
        segments.append(entry)
        end_pts = entry_end
    return segments, end_pts
