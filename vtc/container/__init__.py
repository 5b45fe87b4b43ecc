"""Bytes to file and back: the `.vtc` container, version 1 (docs/FORMAT.md). Standard library and zstandard only."""

from vtc.container.accounting import ByteCount
from vtc.container.header import VERSION, ColourCodes, Header
from vtc.container.index import Index, SegmentEntry, Span
from vtc.container.reader import Reader, is_vtc, open_reader
from vtc.container.scan import Finding
from vtc.container.segment import PROFILES, Segment, StreamData
from vtc.container.writer import Writer

__all__ = [
    "PROFILES",
    "VERSION",
    "ByteCount",
    "ColourCodes",
    "Finding",
    "Header",
    "Index",
    "Reader",
    "Segment",
    "SegmentEntry",
    "Span",
    "StreamData",
    "Writer",
    "is_vtc",
    "open_reader",
]
