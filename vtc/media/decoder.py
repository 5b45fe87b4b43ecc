"""The loop around FFmpeg's decoder: pictures as they are stored, packets of sound on the way, and a count of the damage."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import av
import av.error

from vtc.media.probe import error_text, open_container, video_stream
from vtc.media.timing import as_seconds


class Decoder:
    """Reads one video stream of a file or of standard input (`-`), once, from its beginning or from the key frame before `start`.

    `origin`: seconds on the file's own clock at which the video begins; `start` counts from there. `reached`: seconds from there
    up to which there was sound or, as told by the reader, pictures. `damaged`: packets that could not be decoded.
    """

    def __init__(self, path: str | Path, threads: int, start: float) -> None:
        self.piped = str(path) == "-"
        self.name = "standard input" if self.piped else f"'{path}'"
        self.warnings: list[str] = []
        self._path, self._threads = path, threads
        self._take_audio: Callable[[Any], None] | None = None
        self._deaf = False
        self._open()
        try:
            self.pictures = self._sought(start) if start and not self.piped else self._decoded()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the file. Twice is fine."""
        self.container.close()

    def audio_to(self, take: Callable[[Any], None] | None) -> None:
        """Names who gets the packets of sound from now on, and those that were met before."""
        self._take_audio = take
        if take is not None:
            for packet in self._early_audio:
                take(packet)
        self.drop_audio()

    def drop_audio(self) -> None:
        """Forgets packets of sound that nobody has asked for, and those to come."""
        self._early_audio.clear()
        self._deaf = self._take_audio is None

    def _open(self) -> None:
        self.damaged = 0
        self.reached = Fraction(0)
        self._early_audio: list[Any] = []
        self.container = open_container(self._path)
        try:
            self.stream = video_stream(self.container, self.name)
            self.stream.thread_type = "AUTO"
            self.stream.codec_context.thread_count = self._threads
        except BaseException:
            self.container.close()
            raise
        self.time_base = Fraction(self.stream.time_base)
        if self.stream.start_time is not None:
            self.origin = self.stream.start_time * self.time_base
        else:
            self.origin = Fraction(self.container.start_time or 0, av.time_base)

    def _sought(self, start: float) -> Iterator[av.VideoFrame]:
        target = self.origin + as_seconds(start)
        try:
            self.container.seek(floor(target * av.time_base))
            pictures = self._decoded()
            first = next(pictures, None)
            if first is not None and first.pts is not None and first.pts * self.time_base <= target:
                return chained(first, pictures)
        except av.error.FFmpegError:
            pass
        # The file cannot seek there: read it from the beginning.
        self.container.close()
        self._open()
        return self._decoded()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        packets = self.container.demux(self.stream, *self.container.streams.audio)
        while True:
            packet: Any = None
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                self.warnings.append(f"reading stopped early: {error_text(error)}")
            if packet is not None and packet.stream is not self.stream:
                self._hand_over(packet)
                continue
            try:
                yield from self.stream.decode(packet)  # None empties the decoder
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self.damaged += 1
            if packet is None:
                return

    def _hand_over(self, packet: Any) -> None:
        if packet.size == 0:  # the mark at the end of a stream
            return
        if packet.pts is not None:
            self.reached = max(self.reached, packet.pts * packet.time_base - self.origin)
        if self._take_audio is not None:
            self._take_audio(packet)
        elif not self._deaf:
            self._early_audio.append(packet)


def chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    """Puts back what was taken from an iterator."""
    yield first
    yield from rest
