"""Where the bytes of a file go."""

from dataclasses import dataclass, field

from vtc.container.chunk import CHUNK_OVERHEAD
from vtc.container.segment import Segment


@dataclass
class ByteCount:
    """Bytes of a file by kind; they add up to its size.

    header: signature and `HEAD`. framing: of segments, all that is not stream data. streams: data by stream id. index:
    `INDX` and footer. other: chunks of unknown types, and damaged places.
    """

    header: int = 0
    meta: int = 0
    framing: int = 0
    streams: dict[int, int] = field(default_factory=dict)
    audio: int = 0
    index: int = 0
    other: int = 0

    @property
    def total(self) -> int:
        """All bytes of the file."""
        streams = sum(self.streams.values())
        return self.header + self.meta + self.framing + streams + self.audio + self.index + self.other

    @property
    def video(self) -> int:
        """All bytes but the audio: what bits per pixel are counted from."""
        return self.total - self.audio

    def add_segment(self, segment: Segment, payload_length: int) -> None:
        """Count one segment, stream by stream."""
        data = 0
        for stream in segment.streams:
            self.streams[stream.id] = self.streams.get(stream.id, 0) + len(stream.data)
            data += len(stream.data)
        self.framing += payload_length + CHUNK_OVERHEAD - data
