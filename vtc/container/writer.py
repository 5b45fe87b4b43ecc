"""Writing a `.vtc` file from its first byte to its last, without ever going back: works on a pipe."""

from collections.abc import Mapping
from types import TracebackType
from typing import BinaryIO, Self

from vtc.container import chunk
from vtc.container.accounting import ByteCount
from vtc.container.chunk import CHUNK_OVERHEAD, pack_chunk, pack_footer
from vtc.container.header import Header, pack_header
from vtc.container.index import IndexWriter
from vtc.container.meta import pack_meta
from vtc.container.segment import Segment, pack_segment
from vtc.errors import OutputError

AUDIO_PIECE = 1 << 20
"""Bytes. Longer audio pieces are split, so that reading audio needs little memory."""


class Writer:
    """Writes header, then segments, audio and tags in any order, then index and footer at `close()`.

    As a context manager it closes when the block succeeds and leaves the file without an end when it fails. The stream
    itself stays open and belongs to the caller. Raises `OutputError` when the stream cannot be written; wrong use is a
    `ValueError`.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._index = IndexWriter()
        self._header: Header | None = None
        self._closed = False
        self._next_number = 0
        self._next_pts: int | None = None
        self.count = ByteCount()

    @property
    def bytes_written(self) -> int:
        """Bytes given to the stream so far."""
        return self.count.total

    def write_header(self, header: Header) -> None:
        """Write signature and header; this comes first and once."""
        if self._header or self._closed:
            raise ValueError("a header is written once, at the beginning")
        self.count.header += self._put(chunk.SIGNATURE) + self._put(pack_chunk(chunk.HEAD, pack_header(header)))
        self._header = header

    def write_segment(self, segment: Segment) -> None:
        """Write the next segment. Numbers run from 0, timestamps go on increasing."""
        header = self._begun()
        if segment.number != self._next_number:
            raise ValueError(f"segment {segment.number} comes where {self._next_number} is expected")
        if segment.frames > header.clip_frames:
            raise ValueError(f"{segment.frames} frames are in a segment of at most {header.clip_frames}")
        if self._next_pts is not None and segment.pts[0] < self._next_pts:
            raise ValueError(f"segment {segment.number} begins before the one in front of it ends")
        payload = pack_segment(segment)
        self._put(pack_chunk(chunk.SEGM, payload))
        self._index.add_segment(len(payload), segment)
        self.count.add_segment(segment, len(payload))
        self._next_number, self._next_pts = segment.number + 1, segment.pts[-1] + 1

    def write_audio(self, data: bytes) -> None:
        """Write the next bytes of the audio sidecar. Nothing is written for no bytes."""
        if not self._begun().audio and data:
            raise ValueError("the header says that there is no audio")
        for at in range(0, len(data), AUDIO_PIECE):
            piece = data[at : at + AUDIO_PIECE]
            self.count.audio += self._put(pack_chunk(chunk.AUDIO, piece))
            self._index.add_audio(len(piece))

    def write_meta(self, tags: Mapping[str, str]) -> list[str]:
        """Write the tags of the source, best before the segments. Returns the names of those left out as too large."""
        self._begun()
        if not tags:
            return []
        payload, left_out = pack_meta(tags)
        self.count.meta += self._put(pack_chunk(chunk.META, payload))
        self._index.add_other(len(payload))
        return left_out

    def close(self) -> None:
        """Write index and footer and flush. A second call does nothing."""
        if self._closed:
            return
        self._begun()
        payload = self._index.payload()
        self.count.index += self._put(pack_chunk(chunk.INDX, payload))
        self.count.index += self._put(pack_footer(len(payload) + CHUNK_OVERHEAD))
        self._closed = True
        try:
            self._stream.flush()
        except OSError as error:
            raise OutputError(f"the file cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def _begun(self) -> Header:
        if self._header is None or self._closed:
            raise ValueError("the file is closed" if self._closed else "the header must be written first")
        return self._header

    def _put(self, data: bytes) -> int:
        left = memoryview(data)
        try:
            while left:  # an unbuffered pipe may take less than it is given
                taken = self._stream.write(left)
                if not taken:
                    raise OutputError("the output does not take any more bytes", "write to a file instead")
                left = left[taken:]
        except OSError as error:
            raise OutputError(f"the file cannot be written: {error.strerror or error}") from error
        return len(data)
