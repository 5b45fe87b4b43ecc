"""Video in: any file that FFmpeg reads, as RGB frames with their exact timestamps.

with open_source("clip.mp4") as source:
    print(source.info)
    for frame in source.frames():
        ...  # frame.rgb [H, W, 3], frame.pts, frame.duration in source.info.time_base
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import av.error
from av.container import InputContainer

from vtc.errors import MediaError, UsageError
from vtc.media.colour import Colour, matrix_name
from vtc.media.convert import RgbArray, ToRgb, bit_depth, colour_of, has_alpha
from vtc.media.geometry import sized, turn_of
from vtc.media.probe import error_text, open_container, video_stream
from vtc.media.timing import as_rate, cut, repaired, resampled, with_durations


@dataclass(frozen=True)
class SourceInfo:
    """What is known of a video before its frames are read.

    `width`, `height`: of the frames that are given out, after rotation and resizing. `source_width`, `source_height`: after
    rotation, before resizing. `sar`: aspect of one pixel, 1 when unknown. `rotation`: degrees clockwise that have been applied.
    `time_base`: seconds per tick. `frame_rate`, `duration` (seconds), `frame_estimate`: of the range that is read, None when
    the file does not say.
    `bit_depth`: of the source; above 8, frames are uint16. `colour`: the source's, which RGB frames no longer show.
    """

    width: int
    height: int
    source_width: int
    source_height: int
    time_base: Fraction
    frame_rate: Fraction | None
    duration: float | None
    frame_estimate: int | None
    colour: Colour
    sar: Fraction
    rotation: int
    bit_depth: int
    has_audio: bool
    tags: dict[str, str]


@dataclass(frozen=True)
class Frame:
    """One picture: RGB [H, W, 3], uint8 or uint16 over the whole range; `pts` and `duration` in the source's `time_base`."""

    rgb: RgbArray
    pts: int
    duration: int


def open_source(
    path: str | Path,
    *,
    start: float | None = None,
    end: float | None = None,
    size: tuple[int, int] | int | None = None,
    fps: Fraction | float | None = None,
    threads: int = 0,
) -> "VideoSource":
    """Opens a video for reading; `-` is standard input.

    `start`, `end`: seconds from the beginning; frames with start <= time < end are given, `start` becoming the new zero.
    `size`: (width, height), or the short side, the long one then keeping the shape to the nearest even number.
    `fps`: constant rate by repeating and dropping frames. `threads`: of the decoder, 0 for all cores.
    Raises `MediaError` where there is no video to read, `UsageError` for options out of range.
    """
    if start is not None and start < 0:
        raise UsageError(f"--start {start:g} lies before the beginning", "give seconds from 0 on")
    if end is not None and end <= (start or 0):
        raise UsageError(f"--end {end:g} lies before the start", "give a later end")
    if fps is not None and not 0 < fps <= 1000:
        raise UsageError(f"--fps {float(fps):g} is out of range", "give frames per second from above 0 to 1000")
    sides = size if isinstance(size, tuple) else (size, size)
    if size is not None and any(side is None or not 1 <= side <= 32768 for side in sides):
        raise UsageError("--size is out of range", "give pixels from 1 to 32768")
    return VideoSource(path, start, end, size, None if fps is None else as_rate(fps), threads)


class VideoSource:
    """A video that is being read. Made by `open_source`; a context manager. `warnings` grows while frames are read."""

    info: SourceInfo
    warnings: list[str]

    def __init__(
        self,
        path: str | Path,
        start: float | None,
        end: float | None,
        size: tuple[int, int] | int | None,
        fps: Fraction | None,
        threads: int,
    ) -> None:
        self.warnings = []
        self.audio_packets: Callable[[Any], None] | None = None
        """Takes each packet of sound that is met while reading; set by `AudioCopy`."""
        self._name = "standard input" if str(path) == "-" else f"'{path}'"
        self._path, self._threads, self._fps = path, threads, fps
        self._early_audio: list[Any] = []
        self._reading = False
        self._damaged = 0
        self.container = self._open()
        try:
            self._prepare(start, end, size)
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Twice is fine."""
        self.container.close()

    def frames(self) -> Iterator[Frame]:
        """The frames in the order of showing. To be asked for once; what follows damage is left out, with a warning."""
        if self._reading:
            raise RuntimeError("the frames of a source can be read once; open it again")
        self._reading = True
        for packet in self._early_audio:
            self._hand_over(packet)
        self._early_audio.clear()
        last: tuple[av.VideoFrame, RgbArray] | None = None
        for picture, pts, duration in self._timed:
            if last is None or last[0] is not picture:
                last = picture, self._turn(self._to_rgb(picture))
            yield Frame(last[1], pts, duration)

    # Opening

    def _open(self) -> InputContainer:
        container = open_container(self._path)
        try:
            self.stream = video_stream(container, self._name)
            self.stream.thread_type = "AUTO"
            self.stream.codec_context.thread_count = self._threads
        except BaseException:
            container.close()
            raise
        return container

    def _prepare(self, start: float | None, end: float | None, size: tuple[int, int] | int | None) -> None:
        time_base = Fraction(self.stream.time_base)
        origin = Fraction(self.container.start_time or 0, av.time_base)
        self.origin = origin
        """Seconds on the file's own clock at which it begins."""
        self.start, self.end = (None if time is None else origin + Fraction(time) for time in (start, end))
        decoded = self._decoded()
        if start and str(self._path) != "-":
            decoded = self._sought(origin + Fraction(start))
        first = next(decoded, None)
        if first is None:
            raise MediaError(f"no frame of {self._name} can be decoded", "the file is damaged; check it with a player")
        picture = first
        turn, self._turn = turn_of(picture)
        if turn is None:
            self.warnings.append("rotated by an angle that is not a multiple of 90°: left as it is")
        self.info = self._describe(picture, turn or 0, size, end, time_base)
        across = self.info.rotation % 180 == 90
        width, height = (self.info.height, self.info.width) if across else (self.info.width, self.info.height)
        codec = self.stream.codec_context.name
        self._to_rgb = ToRgb(width, height, self.info.colour, self.info.bit_depth > 8, codec)
        self._timed = self._timeline(picture, decoded, time_base)

    def _sought(self, target: Fraction) -> Iterator[av.VideoFrame]:
        """Decodes from the key frame before `target`, or from the beginning where the file cannot seek there."""
        try:
            self.container.seek(floor(target * av.time_base))
            decoded = self._decoded()
            first = next(decoded, None)
            if first is not None and first.pts is not None and first.pts * self.stream.time_base <= target:
                return _chained(first, decoded)
        except av.error.FFmpegError:
            pass
        self.container.close()
        self._early_audio.clear()
        self._damaged = 0
        self.container = self._open()
        return self._decoded()

    def _describe(
        self,
        picture: av.VideoFrame,
        turn: int,
        size: tuple[int, int] | int | None,
        end: float | None,
        time_base: Fraction,
    ) -> SourceInfo:
        stream = self.stream
        colour = colour_of(picture, picture.height)
        if colour.guessed:
            range_ = "full" if colour.full_range else "limited"
            self.warnings.append(f"untagged colour: guessed {matrix_name(colour.matrix)} {range_}")
        if has_alpha(picture.format):
            self.warnings.append("transparency is left out")
        sar = Fraction(stream.sample_aspect_ratio or 1)
        sar = sar if 0 < sar < 100 else Fraction(1)
        width, height = picture.width, picture.height
        if turn % 180 == 90:
            width, height, sar = height, width, 1 / sar
        new_width, new_height = sized(width, height, size)
        rate = stream.average_rate or stream.guessed_rate
        rate = Fraction(rate) if rate and 0 < rate <= 1000 else None
        duration = self._duration(end, time_base)
        if self._fps is not None:
            rate = self._fps
        estimate = None if duration is None or rate is None else max(1, round(duration * float(rate)))
        if stream.frames and self.start is None and self.end is None and self._fps is None:
            estimate = int(stream.frames)
        return SourceInfo(
            width=new_width,
            height=new_height,
            source_width=width,
            source_height=height,
            time_base=time_base if self._fps is None else 1 / self._fps,
            frame_rate=rate,
            duration=duration,
            frame_estimate=estimate,
            colour=colour,
            sar=sar * Fraction(width * new_height, height * new_width),
            rotation=turn,
            bit_depth=bit_depth(picture.format),
            has_audio=bool(self.container.streams.audio),
            tags=dict(self.container.metadata),
        )

    def _duration(self, end: float | None, time_base: Fraction) -> float | None:
        whole: Fraction | None = None
        if self.stream.duration:
            whole = self.stream.duration * time_base
        elif self.container.duration:
            whole = Fraction(self.container.duration, av.time_base)
        self._expected = whole
        if whole is None:
            return end - float(self.start - self.origin) if end is not None and self.start is not None else end
        stop = whole if self.end is None else min(whole, self.end - self.origin)
        begin = Fraction(0) if self.start is None else self.start - self.origin
        return max(0.0, float(stop - begin))

    # Reading

    def _decoded(self) -> Iterator[av.VideoFrame]:
        """Pictures as the decoder gives them; packets of sound are handed over on the way."""
        packets = self.container.demux(self.stream, *self.container.streams.audio)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except (av.error.FFmpegError, OSError) as error:
                self.warnings.append(f"reading stopped early: {error_text(error)}")
                packet = None
            if packet is not None and packet.stream is not self.stream:
                self._hand_over(packet)
                continue
            try:
                yield from self.stream.decode(packet)
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._damaged += 1
            if packet is None:
                return

    def _hand_over(self, packet: Any) -> None:
        if packet.size == 0:  # the mark at the end of a stream
            return
        if self.audio_packets is not None:
            self.audio_packets(packet)
        elif not self._reading:
            self._early_audio.append(packet)

    def _timeline(
        self, first: av.VideoFrame, rest: Iterator[av.VideoFrame], time_base: Fraction
    ) -> Iterator[tuple[av.VideoFrame, int, int]]:
        rate = self.stream.guessed_rate or self.stream.average_rate or Fraction(25)
        step = max(1, round(1 / (rate * time_base)))
        stamped = ((frame, frame.dts if frame.pts is None else frame.pts) for frame in _chained(first, rest))
        timed = with_durations(repaired(stamped, step, self._report_times), lambda frame: frame.duration or step)
        timed = self._watched(timed, time_base)
        if self.start is not None or self.end is not None:
            begin, stop = (None if t is None else ceil(t / time_base) for t in (self.start, self.end))
            timed = cut(timed, begin, stop, 0 if self.start is None else floor(self.start / time_base))
        if self._fps is not None:
            timed = resampled(timed, time_base, self._fps)
        head = next(timed, None)
        if head is None:
            length = "" if self._expected is None else f"; the video lasts {float(self._expected):.3g} s"
            raise MediaError(
                f"{self._name} has no frame in the range that was asked for{length}", "change --start or --end"
            )
        return _chained(head, timed)

    def _watched(
        self, timed: Iterator[tuple[av.VideoFrame, int, int]], time_base: Fraction
    ) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Warns at the end of what was missing: damaged packets, or a file that is shorter than it says."""
        reached = Fraction(0)
        for item in timed:
            reached = (item[1] + item[2]) * time_base - self.origin
            yield item
        if self._damaged:
            self.warnings.append(f"{self._damaged} damaged packet(s) were left out")
        late = max(Fraction(1, 2), (self._expected or 0) / 100)
        if self._expected is not None and reached + late < self._expected:
            self.warnings.append(
                f"stream ends early: {float(reached):.1f} of {float(self._expected):.1f} s (truncated file)"
            )

    def _report_times(self, count: int) -> None:
        self.warnings.append(f"{count} frame(s) without a valid timestamp: put in between")


def _chained(first: Any, rest: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from rest
