"""Segments of a file back to frames: symbols, base layer and network run beside each other; damage is contained in its group."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from vtc.codec.ground import Ground, Reference
from vtc.codec.memory import give_back
from vtc.codec.model import Model, own_threads
from vtc.codec.network import drawn_noise
from vtc.codec.pipeline import beside
from vtc.codec.region import paint_regions
from vtc.codec.streams import Symbols
from vtc.codec.symbols import label
from vtc.codec.view import Moments, View
from vtc.container import Reader, Segment
from vtc.errors import DamageError


@dataclass(frozen=True)
class Played:
    """A segment's frames uint8 `[n, H, W, 3]` of the coded picture (or as a view painted them), their `pts` and `durations`; `frames` is
    None where they are `lost`, which says why."""

    number: int
    pts: tuple[int, ...]
    durations: tuple[int, ...]
    frames: np.ndarray | None
    lost: str = ""


@dataclass(frozen=True)
class _Work:
    number: int
    segment: Segment | None
    symbols: Symbols | None
    lost: str = ""
    ground: Ground | None = None

    @property
    def step(self) -> float:
        return self.segment.step if self.segment is not None else 0.0


class Player:
    """Decodes any run of segments of `reader` with `model`. `steps` and `seed` of the diffusion decoder. With `strict`, damage is an error;
    otherwise damaged segments, and those that lean on them, come out as lost. `decoder`: the bundle's default where None. `view`: what a
    coordinate decoder is asked for, in place of all frames as they were coded."""

    def __init__(
        self,
        reader: Reader,
        model: Model,
        *,
        steps: int = 1,
        seed: int = 0,
        strict: bool = True,
        decoder: str | None = None,
        view: View | None = None,
    ) -> None:
        self.reader, self.model, self.steps, self.seed, self.strict = reader, model, steps, seed, strict
        self.decoder, self.view = model.decoder(decoder), view
        header = reader.header
        self.geometry = model.geometry(header.width, header.height)
        self.network = model.network(self.geometry, float(header.frame_rate))
        self.batch = self.network.segments_a_call
        self._end: tuple[int, Symbols, Reference | None] | None = None

    def play(self, first: int, stop: int) -> Iterator[Played]:
        """Segments `first` to `stop - 1`. The network sees the same batches wherever a run begins, so frames are the same to the bit
        as those of a whole decode."""
        count = len(self.reader.index.segments)
        begin, end = first // self.batch * self.batch, min(-(-stop // self.batch) * self.batch, count)
        with own_threads(), ExitStack() as stack:
            read = stack.enter_context(closing(beside(self._symbols(self._start(begin), end))))
            based = stack.enter_context(closing(beside(self._base(read), setup=self.model.base_threads)))
            painted = stack.enter_context(closing(beside(self._network(based, begin))))
            for played in painted:
                if first <= played.number < stop:
                    yield played

    def symbols(self, first: int, stop: int) -> Iterator[tuple[Segment, Symbols]]:
        """The symbols of segments `first` to `stop - 1`; DamageError where they are damaged."""
        for work in self._symbols(self.reader.index.group_start(first), stop):
            if work.number >= first and work.segment is not None:
                if work.symbols is None:
                    raise DamageError(work.lost, segment=work.number)
                yield work.segment, work.symbols

    def _start(self, first: int) -> int:
        """Where decoding must begin for segment `first`: at the start of its group, or behind what was decoded last."""
        start = self.reader.index.group_start(first)
        if self._end is not None and start <= self._end[0] < first:
            return self._end[0] + 1
        self._end = None
        return start

    def _symbols(self, start: int, stop: int) -> Iterator[_Work]:
        before = self._end[1] if self._end is not None and self._end[0] + 1 == start else None
        spoiler = ""
        for number in range(start, stop):
            segment: Segment | None = None
            try:
                segment = self.reader.segment(number)
                if not segment.leans:
                    before, spoiler = None, ""
                elif before is None:
                    raise DamageError(f"{label(self.reader, number)} leans on {spoiler or 'a segment that is missing'}")
                before = self.model.coder.decode(segment, self.geometry, before, label(self.reader, number))
                yield _Work(number, segment, before)
            except DamageError as problem:
                if self.strict:
                    raise
                before, spoiler = None, spoiler or f"segment {number}, which is damaged"
                yield _Work(number, segment, None, problem.message)

    def _base(self, works: Iterable[_Work]) -> Iterator[_Work]:
        last = self._end[2] if self._end is not None else None  # where the segment before ended
        for work in works:
            if work.segment is None or work.symbols is None:
                last, self._end = None, None
                yield work
                continue
            ground = self.model.base_decode(work.symbols, last if work.segment.leans else None, work.segment.step)
            last = ground.end if ground is not None else None
            self._end = work.number, work.symbols, last
            yield replace(work, ground=ground)
            give_back(work.number)

    def _network(self, works: Iterable[_Work], begin: int) -> Iterator[Played]:
        header, layout = self.reader.header, self.geometry.layout

        def noise(number: int, tile: int) -> np.ndarray:
            return drawn_noise(self.seed, number, tile, (3, header.clip_frames, layout.tile_height, layout.tile_width))

        wanted = (work for work in works if work.number >= begin)
        if self.view is not None:
            view = self.view
            painted = paint_regions(self.network, wanted, self.decoder, lambda work: view.query(self._moments(work)))
        else:
            painted = self.network.decode(wanted, self.steps, noise, self.decoder)
        for work, clip in painted:
            moments = self._moments(work)
            if clip is None or work.segment is None:
                yield Played(work.number, moments.pts, moments.durations, None, work.lost)
                continue
            shown = clip if self.view is not None else clip[:, : work.segment.frames, : header.height, : header.width]
            yield Played(work.number, moments.pts, moments.durations, shown.permute(1, 2, 3, 0).contiguous().numpy())

    def _moments(self, work: _Work) -> Moments:
        """The times of a segment's frames: as it tells them, or where it is lost evenly over its place in the index."""
        if work.segment is not None:
            pts, durations = work.segment.pts, work.segment.durations
        else:
            entry, end = self.reader.index.segments[work.number], self.reader.index.end_of(work.number)
            span = max(end - entry.pts, entry.frames)
            times = [entry.pts + i * span // entry.frames for i in range(entry.frames + 1)]
            pts, durations = tuple(times[:-1]), tuple(later - earlier for earlier, later in pairwise(times))
        if self.view is not None:
            return self.view.moments(pts, durations)
        return Moments(tuple(map(float, range(len(pts)))), pts, durations)
