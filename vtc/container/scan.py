"""Finding the chunks of a file by reading it from one end to the other, past damaged places."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vtc.container.chunk import (
    AUDIO,
    CHUNK_OVERHEAD,
    FOOTER_BYTES,
    FOOTER_MARK,
    INDX,
    KNOWN,
    META,
    SEGM,
    Chunk,
    Source,
)
from vtc.container.index import Span
from vtc.container.varint import Malformed

_LANDMARK = re.compile(b"|".join((SEGM, AUDIO, META, INDX)))
_WINDOW = 1 << 20

# Work for false landmarks, in bytes read: a hostile file could otherwise make the search quadratic.
_CANDIDATE_COST = 4096
_BUDGET_PER_BYTE = 8
_BUDGET_FLOOR = 1 << 24


@dataclass(frozen=True)
class Finding:
    """What is known of a stretch of a file. `problem` is empty when it is sound. `segment`: its number, where it is
    known.

    chunk: the type, or `footer`, or `unknown`. A segment that is nowhere in the file has length 0.
    """

    chunk: str
    span: Span
    segment: int | None = None
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with it."""
        return not self.problem

    def __str__(self) -> str:
        what = self.chunk if self.segment is None else f"segment {self.segment}"
        place = f"bytes {self.span.offset} to {self.span.end}" if self.span.length else "nowhere in the file"
        return f"{what} ({place}): {self.problem or 'sound'}"


def scan(source: Source, start: int) -> Iterator[tuple[Span, Chunk | Finding]]:
    """Every chunk from `start` to the end of the file, and a finding for each stretch that is none.

    The footer comes as a chunk of type `VTCE`. Time is linear in the size of the file, whatever it holds.
    """
    budget = _BUDGET_FLOOR + _BUDGET_PER_BYTE * source.size
    offset, behind_index = start, False
    while offset < source.size:
        if behind_index and source.read(offset, FOOTER_BYTES)[4:] == FOOTER_MARK:
            span = Span(offset, FOOTER_BYTES)
            yield span, Chunk(FOOTER_MARK, source.read(offset, 4))
            offset, behind_index = span.end, False
            continue
        try:
            chunk = source.chunk(offset)
            span = Span(offset, len(chunk.payload) + CHUNK_OVERHEAD)
            yield span, chunk
            behind_index = chunk.type == INDX
        except Malformed as problem:
            end, budget = _next_chunk(source, offset + 1, budget)
            span = Span(offset, end - offset)
            type = source.read(offset, 4)
            yield span, Finding(type.decode() if type in KNOWN else "unknown", span, problem=str(problem))
            behind_index = False
        offset = span.end


def _next_chunk(source: Source, start: int, budget: int) -> tuple[int, int]:
    """Offset of the first sound known chunk from `start` on, or the end of the file; and the budget left."""
    for window in range(start, source.size, _WINDOW):
        for landmark in _LANDMARK.finditer(source.read(window, _WINDOW + 3)):
            offset = window + landmark.start()
            length = int.from_bytes(source.read(offset + 4, 4), "little")
            budget -= _CANDIDATE_COST + (length if offset + length < source.size else 0)
            if budget < 0:
                return source.size, 0
            try:
                source.chunk(offset)
                return offset, budget
            except Malformed:
                continue
    return source.size, budget
