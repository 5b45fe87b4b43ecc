"""Sound is never decoded: its packets travel from the source to the output as they are.

On the way they are kept as a NUT stream (FFmpeg's own container), whose clock for sound is one sample, so that times survive. NUT
knows no time below zero, and coded sound often begins a little before it: all times are moved by `SHIFT`. NUT also forgets the
order of the channels and takes E-AC-3 for AC-3: the tag `tracks`, JSON in the header of the stream, holds what it would lose.
"""

import io
import json
from collections.abc import Iterator
from fractions import Fraction
from math import floor
from typing import Any, BinaryIO

import av
import av.error
from av.container import OutputContainer

from vtc.errors import DamageError
from vtc.media.source import VideoSource
from vtc.media.timing import as_seconds

SHIFT = 16
"""Seconds that are added to all times in the NUT stream. Part of the file format."""


class _Outbox(io.RawIOBase):
    """Collects what is written, and cannot seek."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


class AudioCopy:
    """Collects the sound of a source as NUT bytes while its frames are read. To be made before `source.frames()` is.

    The pieces joined in order are one NUT stream; `tracks` is 0 where there is no sound that can be kept.
    """

    def __init__(self, source: VideoSource) -> None:
        self._source = source
        self._outbox = _Outbox()
        self._held: list[Any] = []
        self._streams: dict[int, Any] = {}
        # "bitexact" keeps FFmpeg's version out of the file.
        options = {"fflags": "+bitexact+flush_packets"}
        self._nut = av.open(self._outbox, "w", format="nut", options=options)
        for stream in source.decoder.container.streams.audio:
            try:
                self._streams[stream.index] = self._nut.add_stream_from_template(stream)
            except (ValueError, av.error.FFmpegError, AttributeError):
                name = stream.codec_context.name if stream.codec_context else "unknown"
                source.warnings.append(f"sound track {stream.index} ({name}) cannot be kept")
        self._open = bool(self._streams)
        tracks = [_facts(source.decoder.container.streams[index]) for index in self._streams]
        self._nut.metadata["tracks"] = json.dumps(tracks, separators=(",", ":"))
        if self._open:
            try:
                self._nut.start_encoding()
            except (ValueError, av.error.FFmpegError) as error:
                source.warnings.append(f"sound cannot be kept: {error}")
                self._open = False
                self._streams.clear()
        if self._open:
            source.decoder.audio_to(self._held.append)
        self.tracks = len(self._streams)

    def pieces(self, until: float | None = None) -> bytes:
        """The bytes of all packets met so far that begin before `until` (seconds on the clock of the given frames), None for all."""
        if not self._open:
            return b""
        later: list[Any] = []
        for packet in self._held:
            time = self._time(packet)
            if time is None:
                continue
            if until is not None and time >= until:
                later.append(packet)
            else:
                self._write(packet, time)
        self._held[:] = later
        return self._taken()

    def close(self) -> bytes:
        """The rest, and the end of the stream. Twice is fine."""
        if not self._open:
            return b""
        rest = self.pieces()
        self._open = False
        self._source.decoder.audio_to(None)
        self._nut.close()
        return rest + self._taken()

    def _taken(self) -> bytes:
        data = bytes(self._outbox.data)
        self._outbox.data.clear()
        return data

    def _time(self, packet: Any) -> Fraction | None:
        """When a packet begins on the clock of the given frames, or None where it lies outside of what is read."""
        source = self._source
        stamp = packet.dts if packet.pts is None else packet.pts
        if stamp is None or packet.stream.index not in self._streams:
            return None
        ticks = Fraction(packet.time_base)
        time: Fraction = stamp * ticks
        if (source.start is not None and time < source.start) or (source.end is not None and time >= source.end):
            return None
        # By whole ticks, as the frames are.
        return time if source.start is None else time - floor(source.start / ticks) * ticks

    def _write(self, packet: Any, time: Fraction) -> None:
        stream = self._streams[packet.stream.index]
        _stamp(packet, stream, time + SHIFT)
        if packet.pts < 0:
            self._source.warnings.append("sound long before the first frame is left out")
            return
        self._nut.mux_one(packet)


class AudioFeed:
    """Copies the packets of a NUT stream made by `AudioCopy` into an output. `warnings` names tracks that it cannot hold.

    `start`, `end`: seconds; only packets that begin in between are copied, `start` becoming the new zero.
    """

    def __init__(self, file: BinaryIO, output: OutputContainer, start: float = 0.0, end: float | None = None) -> None:
        self.warnings: list[str] = []
        self._output = output
        self._start, self._end = as_seconds(start), None if end is None else as_seconds(end)
        self._next: Any = None
        self._streams: dict[int, Any] = {}
        self._lengths: dict[int, Fraction] = {}
        self._last: dict[int, Fraction] = {}
        self._packets: Iterator[Any] = iter(())
        try:
            self._nut = av.open(file, "r", format="nut")
        except (ValueError, av.error.FFmpegError, OSError) as error:
            raise DamageError(f"the sound cannot be read: {error}", "use --audio none to leave it out") from None
        facts = _tracks(self._nut.metadata.get("tracks", ""))
        usable = [stream for stream in self._nut.streams.audio if self._add(stream, facts.get(stream.index, {}))]
        if usable:
            self._packets = self._nut.demux(*usable)

    def _add(self, stream: Any, facts: dict[str, str]) -> bool:
        try:
            # Some containers object only when their header is written: let one that goes nowhere try.
            with av.open(io.BytesIO(), "w", format=self._output.format.name) as trial:
                _add_track(trial, stream, facts)
                trial.start_encoding()
            self._streams[stream.index] = _add_track(self._output, stream, facts)
        except (ValueError, av.error.FFmpegError, AttributeError):
            name = facts.get("codec") or (stream.codec_context.name if stream.codec_context else "unknown")
            self.warnings.append(f"sound in {name} cannot go into {self._output.format.name}: left out")
            return False
        return True

    def copy(self, until: Fraction | None) -> None:
        """Writes the packets that begin before `until` seconds of the output, None for all that are left."""
        while True:
            packet = self._peek()
            if packet is None:
                return
            time = packet.pts * Fraction(packet.time_base) - SHIFT
            if until is not None and time - self._start >= until:
                return
            self._next = None
            self._measure(packet)
            outside = (self._start and time < self._start) or (self._end is not None and time >= self._end)
            if not outside:
                _stamp(packet, self._streams[packet.stream.index], time - self._start)
                self._output.mux_one(packet)

    def close(self) -> None:
        """Lets go of the NUT stream."""
        self._nut.close()

    def _measure(self, packet: Any) -> None:
        """Gives a packet a duration. NUT holds none; without one for the last packet, mp4 would end before it."""
        index, ticks = packet.stream.index, Fraction(packet.time_base)
        time = packet.pts * ticks
        if packet.duration:
            self._lengths[index] = packet.duration * ticks
        elif index in self._last and time > self._last[index]:
            self._lengths[index] = time - self._last[index]
        if not packet.duration:
            packet.duration = floor(self._lengths.get(index, Fraction(0)) / ticks)
        self._last[index] = time

    def _peek(self) -> Any:
        while self._next is None:
            try:
                packet = next(self._packets)
            except StopIteration:
                return None
            except av.error.FFmpegError as error:
                self.warnings.append(f"sound ends early: {error}")
                self._packets = iter(())
                return None
            if packet.size and packet.pts is not None:
                self._next = packet
        return self._next


def _stamp(packet: Any, stream: Any, time: Fraction) -> None:
    """Moves a packet to a stream and a time there, rounding once."""
    ticks = Fraction(stream.time_base)
    length = (packet.duration or 0) * Fraction(packet.time_base)
    packet.stream = stream
    packet.time_base = ticks
    packet.pts = packet.dts = floor(time / ticks + Fraction(1, 2))
    packet.duration = floor(length / ticks + Fraction(1, 2))


def _add_track(output: OutputContainer, stream: Any, facts: dict[str, str]) -> Any:
    """Adds a track like a stream of the NUT to an output, with what NUT has lost put back."""
    codec = stream.codec_context.name
    name, layout = facts.get("codec", codec), facts.get("layout", "")
    if name == codec:
        track: Any = output.add_stream_from_template(stream)
    else:
        # The wrong name in NUT cannot be put right; an encoder of the right one describes the track as well.
        track = output.add_stream(name, rate=stream.rate, layout=layout or stream.layout.name)
    if layout and av.AudioLayout(layout).nb_channels == stream.codec_context.channels:
        track.codec_context.layout = layout
    if "language" in facts:
        track.metadata["language"] = facts["language"]
    return track


def _facts(stream: Any) -> dict[str, str]:
    """What NUT would lose of a track."""
    facts = {"codec": stream.codec_context.name, "layout": stream.layout.name}
    if stream.language:
        facts["language"] = stream.language
    return facts


def _tracks(text: str) -> dict[int, dict[str, str]]:
    """The facts by track, from a tag that may be missing or damaged."""
    try:
        tracks = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(tracks, list):
        return {}
    return {
        number: {key: value for key, value in track.items() if isinstance(value, str)}
        for number, track in enumerate(tracks)
        if isinstance(track, dict)
    }
