"""From a `.vtc` file back to a video: playing, resampling and writing run beside each other."""

import io
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from vtc.codec.model import load_model
from vtc.codec.options import DecodeOptions, changed
from vtc.codec.output import refuse_existing
from vtc.codec.pipeline import beside
from vtc.codec.player import Played, Player
from vtc.codec.resize import resize_of
from vtc.codec.view import View, view_of
from vtc.codec.weights import find_identity
from vtc.container import Reader, open_reader
from vtc.errors import DamageError, UsageError
from vtc.media import Colour, SinkInfo, open_sink
from vtc.media.timing import as_rate, cut
from vtc.media.timing import resampled as at_rate

Progress = Callable[[int, int], None]
"""Called with (frames done, 0)."""

Shot = tuple[np.ndarray, int, int]
"""A picture uint8 `[H, W, 3]`, its pts and its duration."""


@dataclass(frozen=True)
class DecodeResult:
    """What was written: `frames` of `width` x `height`. `seconds`: spent, without loading the bundle; `fps`: frames in each of them.
    `lost`: number, start, end (in seconds of the file) and reason of every segment that could not be decoded."""

    frames: int
    width: int
    height: int
    seconds: float
    fps: float
    model: str
    bundle: str
    lost: tuple[tuple[int, float, float, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def values(self) -> dict[str, Any]:
        """All of it by name, for JSON."""
        return asdict(self)


def decode(
    source: str | Path,
    output: str | Path,
    options: DecodeOptions | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    **changes: Any,
) -> DecodeResult:
    """Decode the `.vtc` file `source` into the video `output`, of a kind told by its ending; `-`: standard input or output.

    `changes` are single options by name: `decode("a.vtc", "a.mp4", steps=8)`. The output appears when it is whole; after an error or an
    interrupt nothing is left. Raises a `VtcError`: FormatError, DamageError, BundleError, OutputError or UsageError.
    """
    options = changed(options or DecodeOptions(), changes)
    refuse_existing(output, overwrite)
    with open_reader(source) as reader:
        decoding = _Decoding(reader, options)
        began = time.perf_counter()
        frames = decoding.run(output, progress)
    return decoding.result(frames, time.perf_counter() - began)


class AudioFile(io.RawIOBase):
    """The audio sidecar of a file as one stream that can be read once."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class _Decoding:
    """One decode: which segments, which frames of them, at which times and size."""

    def __init__(self, reader: Reader, options: DecodeOptions) -> None:
        self.reader, self.options, self.header = reader, options, reader.header
        self.strict = options.on_damage == "fail"
        if self.strict and reader.problems:
            raise DamageError(reader.problems[0], "--on-damage skip decodes what is whole")
        if not reader.index.segments:
            raise DamageError("there is no whole segment in the file", "copy the file again")
        self.resize = resize_of(self.header, options)
        self.first, self.stop = self._segments()
        path = find_identity(self.header.bundle, self.header.model)
        self.model = load_model(path, options.device, options.threads)
        self.decoder = self.model.decoder(options.decoder)
        self.view = self._view()
        self.lost: list[tuple[int, float, float, str]] = []
        self.warnings: list[str] = list(reader.problems)

    def run(self, output: str | Path, progress: Progress | None) -> int:
        """Decode into `output`; the number of frames written."""
        options = self.options
        player = Player(
            self.reader, self.model, steps=options.steps, seed=options.seed, strict=self.strict, decoder=self.decoder, view=self.view
        )
        count = 0
        with (
            closing(beside(player.play(self.first, self.stop))) as played,
            open_sink(
                output, self._sink_info(), codec=options.codec, crf=options.crf, audio=self._audio(),
                audio_start=float(self._time(options.start) or 0), audio_end=self._seconds(options.end),
                threads=options.threads or 0,
            ) as sink,
        ):  # fmt: skip
            for rgb, pts, duration in self._timed(self._shots(played)):
                sink.write(rgb, pts, duration)
                count += 1
                if progress is not None:
                    progress(count, 0)
            if not count:
                raise DamageError("no frame of the range that was asked for is whole", "copy the file again")
        self.warnings += sink.warnings
        return count

    def result(self, frames: int, seconds: float) -> DecodeResult:
        width, height = self.resize.size
        model, bundle, speed = self.header.model, self.header.bundle.hex(), frames / max(seconds, 1e-9)
        lost, warnings = tuple(self.lost), tuple(self.warnings)
        return DecodeResult(frames, width, height, seconds, speed, model, bundle, lost, warnings)

    def _view(self) -> View | None:
        """What is asked of a coordinate decoder; None for all of the video as it was coded, and for other decoders."""
        options = self.options
        asked = (options.crop, options.size, options.scale, options.fps, options.start, options.end)
        if self.decoder != "coordinate" or all(wish is None for wish in asked):
            return None
        unit = self.header.time_base
        first, end = (None if t is None else ceil(t / unit) for t in map(self._time, (options.start, options.end)))
        rate = None if options.fps is None else as_rate(options.fps)
        return view_of(self.resize, (self.header.width, self.header.height), unit, rate, first, end)

    def _segments(self) -> tuple[int, int]:
        """The first segment with a frame of the asked range, and the one behind the last."""
        index = self.reader.index
        begin, end = (self._time(seconds) for seconds in (self.options.start, self.options.end))
        first = 0 if begin is None else index.at(ceil(begin / self.header.time_base))
        last = len(index.segments) - 1 if end is None else index.at(ceil(end / self.header.time_base) - 1)
        if begin is not None and begin >= index.end_pts * self.header.time_base:
            raise UsageError(f"--start {self.options.start:g} is behind the end", f"it lasts {float(self.reader.duration):.3g} s")
        return first, last + 1

    def _time(self, seconds: float | None) -> Fraction | None:
        """Seconds after the first frame, on the clock of the timestamps."""
        if seconds is None:
            return None
        return Fraction(seconds).limit_denominator(1_000_000) + self.reader.index.segments[0].pts * self.header.time_base

    def _seconds(self, seconds: float | None) -> float | None:
        time_ = self._time(seconds)
        return None if time_ is None else float(time_)

    def _shots(self, played: Iterable[Played]) -> Iterator[Shot]:
        """Pictures one by one at their final size. Lost segments are left out, or shown as the last good picture (black before any)."""
        shown = self.resize if self.view is None else self.view.shown
        held = np.zeros((self.resize.size[1], self.resize.size[0], 3), np.uint8)
        for segment in played:
            if segment.frames is None:
                self._note(segment)
                if self.options.on_damage == "freeze":
                    yield from ((held, pts, duration) for pts, duration in zip(segment.pts, segment.durations))
                continue
            if not len(segment.frames):
                continue
            pictures = shown(segment.frames)
            held = pictures[-1]
            yield from zip(pictures, segment.pts, segment.durations)

    def _note(self, segment: Played) -> None:
        unit, origin = self.header.time_base, self.reader.index.segments[0].pts
        end = segment.pts[-1] + segment.durations[-1]
        start, stop = (float((pts - origin) * unit) for pts in (segment.pts[0], end))
        self.lost.append((segment.number, start, stop, segment.lost))

    def _timed(self, shots: Iterator[Shot]) -> Iterator[Shot]:
        """Only the asked range, which then begins at zero; and at the asked frame rate. A view has seen to both."""
        if self.view is not None:
            return shots
        begin, end = (self._time(seconds) for seconds in (self.options.start, self.options.end))
        unit = self.header.time_base
        if begin is not None or end is not None:
            first, stop = (None if t is None else ceil(t / unit) for t in (begin, end))
            shots = cut(shots, first, stop, 0 if begin is None else floor(begin / unit))
        return shots if self.options.fps is None else at_rate(shots, unit, as_rate(self.options.fps))

    def _sink_info(self) -> SinkInfo:
        header, colour = self.header, self.header.colour
        rate = None if self.options.fps is None else as_rate(self.options.fps)
        return SinkInfo(
            *self.resize.size,
            time_base=header.time_base if rate is None else 1 / rate,
            frame_rate=rate or header.frame_rate or None,
            colour=Colour(colour.primaries, colour.transfer, colour.matrix, colour.full_range, colour.guessed),
            sar=self.resize.sar,
            tags=self.reader.tags,
        )

    def _audio(self) -> BinaryIO | None:
        if not self.header.audio or self.options.audio == "none" or not self.reader.index.audio:
            return None
        return io.BufferedReader(AudioFile(self._sound()))

    def _sound(self) -> Iterator[bytes]:
        """The sound up to the first damage: what comes behind has no times that can be trusted."""
        try:
            yield from self.reader.audio_pieces()
        except DamageError as problem:
            if self.strict:
                raise
            self.warnings.append(f"the sound ends early: {problem.message}")
