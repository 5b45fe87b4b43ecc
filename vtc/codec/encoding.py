"""One pass from a video to the bytes of a `.vtc` file: reading, base layer, network and coding run beside each other, a few segments in
flight."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any, BinaryIO

import torch

from vtc.codec.effort import LEVELS
from vtc.codec.ground import Ground, Reference
from vtc.codec.lookahead import HORIZON, Sight, finer, look
from vtc.codec.memory import LARGE_ENCODING, give_back, map_large
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
    """A segment on its way: its clip, the sound up to its end, what it shows, then its symbols and what the network is given."""

    clip: Clip
    audio: bytes
    step: float
    symbols: Symbols
    sight: Sight | None = None
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
            self.warnings.append(
                f"--quality changes nothing here: {model.name} writes so many discrete tokens, whatever they show"
            )

    def run(self, file: BinaryIO, progress: Progress | None) -> None:
        """Write the whole file."""
        map_large(LARGE_ENCODING)
        self.writer = Writer(file)
        self.header = self._header()
        self.writer.write_header(self.header)
        self._tags()
        with own_threads(), ExitStack() as stack:
            looked = stack.enter_context(closing(beside(self._looked(self._read()), setup=self.model.base_threads)))
            alone = partial(
                torch.set_num_threads, self.model.threads
            )  # with gradients, the network waits for the base layer
            setup = self.model.base_threads if self.refiner is None else alone
            based = stack.enter_context(closing(beside(self._base(looked), setup=setup)))
            painted = stack.enter_context(closing(beside(self._network(based))))
            for segment, audio in self._coded(painted):
                self.writer.write_segment(segment)
                self.writer.write_audio(audio)
                self.tally.add(segment)
                give_back(segment.number)
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

    def _looked(self, works: Iterable[_Work]) -> Iterator[_Work]:
        """What every clip shows, after the one before in its group, for the base layer to look ahead."""
        before: Sight | None = None
        for work in works:
            if self.model.base is not None:
                before = look(work.pixels.to(self.model.device), before if work.clip.leans else None)
            yield replace(work, sight=before)

    def _base(self, works: Iterable[_Work]) -> Iterator[_Work]:
        """The base layer, clip after clip: each leans on the end of the one before, unless a group begins."""
        if self.model.base is None:
            yield from works
            return
        last: Reference | None = None
        for ahead in self._ahead(works):
            work = ahead[0]
            based = self._based(
                work, [seen.sight for seen in ahead if seen.sight is not None], last if work.clip.leans else None
            )
            assert based.ground is not None
            last = based.ground.end
            yield based

    def _ahead(self, works: Iterable[_Work]) -> Iterator[list[_Work]]:
        """Every clip with those behind it, as far as they are looked at and lean on it."""
        waiting: deque[_Work] = deque()
        for work in works:
            if not work.clip.leans:
                yield from _emptied(waiting)
            waiting.append(work)
            if len(waiting) == HORIZON:
                yield list(waiting)
                waiting.popleft()
        yield from _emptied(waiting)

    def _based(self, work: _Work, sights: list[Sight], last: Reference | None) -> _Work:
        """Where steps would need symbols beyond their bound (white walls, say), they are made coarser, first those of the tokens that are
        finer than others: a clipped symbol is a flat area of the wrong brightness."""
        levels = finer(sights, work.step)
        while True:
            symbols, ground = self.model.base_encode(
                work.pixels, last, work.step, levels, self.effort.search, self.refiner
            )
            saturated = torch.from_numpy(self.model.saturated(symbols))
            if not saturated.any():
                return replace(work, symbols=symbols, sight=None, ground=ground)
            if levels[saturated].any():
                levels[saturated] = (levels[saturated] - 1).clamp_(min=0)
            else:
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


def _emptied(waiting: deque[_Work]) -> Iterator[list[_Work]]:
    while waiting:
        yield list(waiting)
        waiting.popleft()
