"""Outputs through an encoder: mp4, mov, mkv, webm."""

import os
from collections.abc import Iterable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from vtc.errors import UsageError
from vtc.media.audio import AudioFeed
from vtc.media.colour import Colour
from vtc.media.convert import FromRgb, writable_colour
from vtc.media.output import Door, StagedFile, explained
from vtc.media.priority import usual_priority
from vtc.media.sink import CONTAINERS, SinkInfo, VideoSink


def _encoder(codec: str, crf: int) -> dict[str, str]:
    """The options of an encoder: fast, because quality is asked for by `crf` and bytes are cheap in what is only looked at.

    H.264 and H.265 without B-frames: reordered frames leave an mp4 of variable rate with the wrong length.
    """
    table: dict[str, dict[str, str]] = {
        "libx264": {"preset": "veryfast", "crf": str(crf), "bf": "0"},
        "libx265": {"preset": "veryfast", "crf": str(crf), "x265-params": "log-level=none:bframes=0"},
        "libsvtav1": {"preset": "8", "crf": str(crf)},
        "libvpx-vp9": {"deadline": "good", "cpu-used": "4", "row-mt": "1", "crf": str(crf), "b": "0"},
        "ffv1": {"level": "3", "slices": "4", "slicecrc": "1"},
    }
    if codec not in table:
        raise UsageError(f"unknown codec '{codec}'", f"use one of {', '.join(table)}")
    top = 51 if codec in ("libx264", "libx265") else 63
    if not 0 <= crf <= top:
        raise UsageError(f"--crf {crf} is out of range", f"give 0 to {top} for {codec}")
    return table[codec]


def _pixels(codec: str, width: int, height: int) -> str:
    """4:2:0, which plays everywhere; FFV1 keeps RGB itself; H.264 and H.265 code odd sizes in 4:4:4 only."""
    if codec == "ffv1":
        return "bgr0"
    odd = width % 2 or height % 2
    return "yuv444p" if odd and codec in ("libx264", "libx265") else "yuv420p"


class EncodedSink(VideoSink):
    """A video file by FFmpeg's encoders and containers, with exact timestamps, colour tags and copied sound."""

    def __init__(
        self,
        path: str | Path,
        kind: str,
        info: SinkInfo,
        codec: str | None,
        crf: int,
        audio: BinaryIO | None,
        audio_start: float,
        audio_end: float | None,
        threads: int,
    ) -> None:
        super().__init__(info)
        codec = codec or ("libvpx-vp9" if kind == "webm" else "libx264")
        options = _encoder(codec, crf)
        pixels = _pixels(codec, info.width, info.height)
        colour = info.colour if codec == "ffv1" else writable_colour(info.colour, info.height)
        self._convert = FromRgb(info.width, info.height, pixels, colour)
        self._feed: AudioFeed | None = None
        self._rounds = kind in ("mkv", "webm")
        self._lengths: dict[int, int] = {}
        self._output = StagedFile(path)
        self._container: Any = None
        try:
            with explained(self._output.name):
                self._door = Door(self._output.file)
                # Sound may begin just below zero; Matroska would move everything for that, and the pictures with it.
                timing = {"avoid_negative_ts": "disabled"} if kind in ("mkv", "webm") else {}
                self._container = av.open(self._door, "w", format=CONTAINERS[kind], options=timing)
                self._stream = self._add_video(codec, options, pixels, colour, threads, kind)
                if audio is not None:
                    self._feed = AudioFeed(audio, self._container, audio_start, audio_end)
                    self.warnings += self._feed.warnings
                self._container.metadata.update(info.tags)
                with usual_priority():
                    self._container.start_encoding()  # from here on the streams' clocks are those of the container
        except BaseException:
            self.abort()
            raise

    def _add_video(
        self, codec: str, options: dict[str, str], pixels: str, colour: Colour, threads: int, kind: str
    ) -> Any:
        info = self.info
        if codec == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it prints to stderr past FFmpeg's logging
        try:
            stream = self._container.add_stream(codec, rate=info.frame_rate or Fraction(25), options=options)
        except (ValueError, av.error.FFmpegError):
            raise UsageError(f"{kind} cannot hold {codec}", "use mkv, or another codec") from None
        stream.width, stream.height, stream.pix_fmt = info.width, info.height, pixels
        context = stream.codec_context
        context.time_base = stream.time_base = info.time_base
        context.sample_aspect_ratio = info.sar
        context.thread_count = threads
        rgb = pixels == "bgr0"
        context.colorspace = 0 if rgb else colour.matrix
        context.color_range = 2 if rgb or colour.full_range else 1
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        if info.sar != 1 and kind in ("mkv", "webm") and codec in ("libvpx-vp9", "libsvtav1"):
            self.warnings.append(f"{codec} in {kind} does not keep the aspect of a pixel, {info.sar}")
        return stream

    def write(self, rgb: npt.NDArray[np.uint8], pts: int, duration: int) -> None:
        if self._rounds and (pts * self.info.time_base * 1000) % 1:
            self._rounds = False
            self.warnings.append("timestamps are rounded to the milliseconds of mkv and webm")
        frame = self._convert(rgb)
        frame.pts, frame.time_base, frame.duration = pts, self.info.time_base, duration
        self._lengths[pts] = duration
        with explained(self._output.name):
            self._put(self._stream.encode(frame))
            if self._feed is not None:
                self._feed.copy((pts + duration) * self.info.time_base)
            self._door.check()

    def _put(self, packets: Iterable[Any]) -> None:
        for packet in packets:
            # The encoder does not know how long a frame lasts; of the last one the container needs it.
            packet.duration = self._lengths.pop(packet.pts, packet.duration)
            self._container.mux_one(packet)

    def _finish(self) -> None:
        with explained(self._output.name):
            self._put(self._stream.encode(None))
            if self._feed is not None:
                self._feed.copy(None)
                self.warnings += [text for text in self._feed.warnings if text not in self.warnings]
                self._feed.close()
            self._container.close()
            self._door.check()
        self._output.commit()

    def _discard(self) -> None:
        if self._container is not None:
            self._door.closed = True
            with suppress(Exception):
                self._container.close()
        if self._feed is not None:
            self._feed.close()
        self._output.discard()
