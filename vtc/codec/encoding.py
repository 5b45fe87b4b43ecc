"""One pass from a video to the bytes of a `.vtc` file: reading, base layer, network and coding run beside each other, a few segments in
flight."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, BinaryIO

import torch

from vtc.codec.effort import LEVELS
from vtc.codec.ground import Ground, Reference
from vtc.codec.group_step import first_step
from vtc.codec.model import Model, own_threads
from vtc.codec.network import LengthRule
from vtc.codec.options import EncodeOptions
from vtc.codec.pipeline import beside
from vtc.codec.plan import Clip, clips, default_group
from vtc.codec.quality import coarser, step_of
from vtc.codec.result import EncodeResult, Progress, Tally
from vtc.codec.streams import Symbols
from vtc.codec.symbols import CHANGE
from vtc.container import ColourCodes, Header, Segment, Writer
from vtc.errors import OutputError
from vtc.media import AudioCopy, VideoSource


@dataclass(frozen=True)
class _Work:
    """A segment on its way: its clip, the sound up to its end, then its symbols and what the base layer gives the network."""

    clip: Clip
    audio: bytes
    step: float
    symbols: Symbols
    ground: Ground | None = None

    @property
    def number(self) -> int:
        return self.clip.number

    @property
    def pixels(self) -> torch.Tensor:
        return torch.from_numpy(self.clip.pixels)


class Encoding:
    """One pass over `video`, at a `quality` that need not be whole: its stages are generators, each run beside the next."""

    def __init__(self, video: VideoSource, model: Model, options: EncodeOptions, quality: float) -> None:
        self.video, self.model, self.options, self.quality, self.info = video, model, options, quality, video.info
        self.geometry = model.geometry(self.info.width, self.info.height)
        self.network = model.network(self.geometry, float(self.info.frame_rate or 0))
        self.step = step_of(quality)
        self.group = options.group or default_group(self.info.frame_rate, model.clip_frames)
        self.rule = LengthRule(options.length, options.tokens)
        self.effort = LEVELS[options.effort]
        self.refiner = model.refiner(self.geometry, self.network.rate, self.rule, self.effort.steps)
        self.audio = AudioCopy(video) if options.audio == "copy" and self.info.has_audio else None
        self.writer: Writer
        self.header: Header
        self.tally = Tally()
        self.warnings: list[str] = []
        if options.effort and model.base is None:
            self.warnings.append(f"--effort changes nothing here: {model.name} has no base layer to search in")
        if options.quality != EncodeOptions.quality and all(stream.levels for stream in model.streams):
            self.warnings.append(f"--quality changes nothing here: {model.name} writes so many discrete tokens, whatever they show")

    def run(self, file: BinaryIO, progress: Progress | None) -> None:
        """Write the whole file."""
        self.writer = Writer(file)
        self.header = self._header()
        self.writer.write_header(self.header)
        self._tags()
        with own_threads(), ExitStack() as stack:
            read = stack.enter_context(closing(beside(self._read())))
            alone = partial(torch.set_num_threads, self.model.threads)  # with gradients, the network waits for the base layer
            setup = self.model.base_threads if self.refiner is None else alone
            based = stack.enter_context(closing(beside(self._base(read), setup=setup)))
            painted = stack.enter_context(closing(beside(self._network(based))))
            for segment, audio in self._coded(painted):
                self.writer.write_segment(segment)
                self.writer.write_audio(audio)
                self.tally.add(segment)
                if progress is not None:
                    progress(self.tally.frames, self.writer.bytes_written)
        if self.audio is not None:
            self.writer.write_audio(self.audio.close())
        self.writer.close()

    def result(self, seconds: float) -> EncodeResult:
        """The report after `run`, which took so many seconds."""
        warnings = (*self.video.warnings, *self.warnings)
        return self.tally.result(self.header, self.writer.count, self.quality, seconds, warnings)

    def _header(self) -> Header:
        info, colour = self.info, self.info.colour
        shape = Fraction(info.source_height * info.width, info.source_width * info.height)
        return self._valid(
            model=self.model.name, bundle=self.model.identity, width=info.width, height=info.height,
            source_width=info.source_width, source_height=info.source_height, time_base=info.time_base,
            frame_rate=info.frame_rate or Fraction(0), sar=info.sar * shape,
            colour=ColourCodes(colour.primaries, colour.transfer, colour.matrix, colour.full_range, colour.guessed),
            bit_depth=info.bit_depth, quality=round(self.quality), clip_frames=self.model.clip_frames,
            group=self.group, audio=self.audio is not None,
        )  # fmt: skip

    def _valid(self, **fields: Any) -> Header:
        try:
            return Header(**fields)
        except ValueError as problem:
            raise OutputError(f"this video does not fit into a .vtc file: {problem}", "try --size") from problem

    def _tags(self) -> None:
        left_out = self.writer.write_meta(self.info.tags)
        if left_out:
            self.warnings.append(f"tags too large to keep: {', '.join(left_out)}")

    def _read(self) -> Iterator[_Work]:
        """Clips with the sound that belongs before their end."""
        cut = clips(self.video.frames(), self.geometry, self.group)
        for clip in cut:
            end = float((clip.pts[-1] + clip.last_duration) * self.info.time_base)
            sound = self.audio.pieces(end) if self.audio is not None else b""
            yield _Work(clip, sound, self.step, Symbols({}, {}))

    def _base(self, works: Iterable[_Work]) -> Iterator[_Work]:
        """The base layer, clip after clip: each leans on the end of the one before, unless a group begins."""
        last: Reference | None = None
        for work in works:
            based = self._based(work, last if work.clip.leans else None)
            if self.model.base is not None and not work.clip.leans and self._group_of(work) > 1:
                step = first_step(self.model.base, based.symbols, based.step)
                if step < based.step:
                    based = self._based(replace(work, step=step), None)
            last = based.ground.end if based.ground is not None else None
            yield based

    def _group_of(self, first: _Work) -> int:
        """Segments of the group that begins with `first`: fewer near the end, where the source tells that."""
        frames = self.info.frame_estimate
        left = self.group if frames is None else -(-frames // self.model.clip_frames) - first.number
        return min(self.group, left)

    def _based(self, work: _Work, last: Reference | None) -> _Work:
        """With a coarser step where the finest ones would need symbols beyond their bound (white walls, say): a clipped symbol is a flat
        area of the wrong brightness."""
        while True:
            symbols, ground = self.model.base_encode(work.pixels, last, work.step, self.effort.search, self.refiner)
            if not self.model.saturated(symbols):
                return replace(work, symbols=symbols, ground=ground)
            work = replace(work, step=coarser(work.step))

    def _network(self, works: Iterable[_Work]) -> Iterator[_Work]:
        for work, symbols in self.network.encode(works, self.rule):
            both = Symbols({**work.symbols.arrays, **symbols.arrays}, symbols.lengths)
            yield replace(work, symbols=both, ground=None)

    def _coded(self, works: Iterable[_Work]) -> Iterator[tuple[Segment, bytes]]:
        before: Symbols | None = None
        for work in works:
            clip = work.clip
            earlier = before if clip.leans else None
            streams, crc = self.model.coder.encode(
                work.symbols, self.geometry, earlier, work.step, self.options.entropy
            )
            before = work.symbols
            leans = clip.leans and (self.model.base is not None or any(stream.profile == CHANGE for stream in streams))
            yield Segment(clip.number, leans, clip.pts, clip.last_duration, work.step, streams, crc), work.audio
