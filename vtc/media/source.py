"""Video in: any file that FFmpeg reads, as RGB frames with their exact timestamps.

with open_source("clip.mp4") as source:
    print(source.info)
    for frame in source.frames():
        ...  # frame.rgb [H, W, 3], frame.pts, frame.duration in source.info.time_base
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from types import TracebackType
from typing import Self

import av

from vtc.errors import MediaError, UsageError
from vtc.media.colour import Colour, matrix_name
from vtc.media.convert import RgbArray, ToRgb, bit_depth, colour_of, has_alpha
from vtc.media.decoder import Decoder, chained
from vtc.media.geometry import sized, turn_of
from vtc.media.timing import as_rate, as_seconds, cut, repaired, resampled, with_durations

_BOOKKEEPING = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
}  # a new container writes its own


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
    start: Fraction | None
    """First second that is read, on the file's own clock; None for all."""
    end: Fraction | None

    def __init__(
        self,
        path: str | Path,
        start: float | None,
        end: float | None,
        size: tuple[int, int] | int | None,
        fps: Fraction | None,
        threads: int,
    ) -> None:
        self.decoder = Decoder(path, threads, start or 0.0)
        self.warnings = self.decoder.warnings
        self._fps = fps
        self._reading = False
        try:
            self._prepare(start, end, size)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file. Twice is fine."""
        self.decoder.close()

    def frames(self) -> Iterator[Frame]:
        """The frames in the order of showing. To be asked for once; what is damaged is left out, with a warning."""
        if self._reading:
            raise RuntimeError("the frames of a source can be read once; open it again")
        self._reading = True
        self.decoder.drop_audio()
        last: tuple[av.VideoFrame, RgbArray] | None = None
        for picture, pts, duration in self._timed:
            if last is None or last[0] is not picture:
                last = picture, self._turn(self._to_rgb(picture))
            yield Frame(last[1], pts, duration)

    def _prepare(self, start: float | None, end: float | None, size: tuple[int, int] | int | None) -> None:
        decoder = self.decoder
        self.start, self.end = (None if time is None else decoder.origin + as_seconds(time) for time in (start, end))
        first = next(decoder.pictures, None)
        if first is None:
            raise MediaError(*self._no_frame())
        turn, self._turn = turn_of(first)
        if turn is None:
            self.warnings.append("rotated by an angle that is not a multiple of 90°: left as it is")
        self.info = self._describe(first, turn or 0, size)
        width, height = self.info.width, self.info.height
        if self.info.rotation % 180 == 90:
            width, height = height, width
        codec = decoder.stream.codec_context.name
        self._to_rgb = ToRgb(width, height, self.info.colour, self.info.bit_depth > 8, codec)
        self._timed = self._timeline(first)

    def _no_frame(self) -> tuple[str, str]:
        if self.decoder.piped:
            return "no frame can be decoded from a pipe", "save it to a file first: many .mp4 need seeking"
        return f"no frame of {self.decoder.name} can be decoded", "the file is damaged; check it with a player"

    def _describe(self, picture: av.VideoFrame, turn: int, size: tuple[int, int] | int | None) -> SourceInfo:
        stream = self.decoder.stream
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
        rate = self._fps or stream.average_rate or stream.guessed_rate
        rate = Fraction(rate) if rate and 0 < rate <= 1000 else None
        duration = self._duration()
        estimate = None if duration is None or rate is None else max(1, round(duration * float(rate)))
        if stream.frames and self.start is None and self.end is None and self._fps is None:
            estimate = int(stream.frames)
        return SourceInfo(
            width=new_width,
            height=new_height,
            source_width=width,
            source_height=height,
            time_base=self.decoder.time_base if self._fps is None else 1 / self._fps,
            frame_rate=rate,
            duration=duration,
            frame_estimate=estimate,
            colour=colour,
            sar=sar * Fraction(width * new_height, height * new_width),
            rotation=turn,
            bit_depth=bit_depth(picture.format),
            has_audio=bool(self.decoder.container.streams.audio),
            tags=_kept(self.decoder.container.metadata),
        )

    def _duration(self) -> float | None:
        """Seconds of the range that is read, as far as the file says; sets `_expected`, those of the whole."""
        decoder, self._expected = self.decoder, None
        if decoder.stream.duration:
            self._expected = decoder.stream.duration * decoder.time_base
        elif decoder.container.duration:
            self._expected = Fraction(decoder.container.duration, av.time_base)
        stops = [time for time in (self._expected, self.end and self.end - decoder.origin) if time is not None]
        begin = Fraction(0) if self.start is None else self.start - decoder.origin
        return max(0.0, float(min(stops) - begin)) if stops else None

    def _timeline(self, first: av.VideoFrame) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Pictures with their final times: repaired, cut to the range, resampled."""
        stream, ticks = self.decoder.stream, self.decoder.time_base
        rate = stream.guessed_rate or stream.average_rate or Fraction(25)
        step = max(1, round(1 / (rate * ticks)))
        pictures = chained(first, self.decoder.pictures)
        stamped = ((picture, picture.dts if picture.pts is None else picture.pts) for picture in pictures)
        timed = with_durations(repaired(stamped, step, self._report_times), lambda picture: picture.duration or step)
        timed = self._watched(timed)
        if self.start is not None or self.end is not None:
            begin, stop = (None if time is None else ceil(time / ticks) for time in (self.start, self.end))
            timed = cut(timed, begin, stop, 0 if self.start is None else floor(self.start / ticks))
        if self._fps is not None:
            timed = resampled(timed, ticks, self._fps)
        head = next(timed, None)
        if head is None:
            length = "" if self._expected is None else f"; the video lasts {float(self._expected):.3g} s"
            name = self.decoder.name
            raise MediaError(f"{name} has no frame in the range that was asked for{length}", "change --start or --end")
        return chained(head, timed)

    def _watched(self, timed: Iterator[tuple[av.VideoFrame, int, int]]) -> Iterator[tuple[av.VideoFrame, int, int]]:
        """Warns at the end of what was missing: damaged pictures, or a file that is shorter than it says."""
        decoder = self.decoder
        for item in timed:
            decoder.reached = max(decoder.reached, (item[1] + item[2]) * decoder.time_base - decoder.origin)
            decoder.damaged += item[0].is_corrupt
            yield item
        if decoder.damaged:
            self.warnings.append(f"{decoder.damaged} damaged picture(s)")
        whole, reached = self._expected, decoder.reached
        if whole is not None and reached + max(Fraction(1, 2), whole / 100) < whole:
            self.warnings.append(f"stream ends early: {float(reached):.1f} of {float(whole):.1f} s (truncated file)")

    def _report_times(self, count: int) -> None:
        self.warnings.append(f"{count} frame(s) without a valid timestamp: put in between")


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that say something of the video, not of the file that it came in."""
    return {name: text for name, text in tags.items() if name.lower() not in _BOOKKEEPING}
