"""Clips through the tokenizer's network and back: cut into tiles, batched, spread over threads, blended."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from vtc.codec.ground import Ground
from vtc.codec.pipeline import spread
from vtc.codec.plan import batch_segments, batch_tiles
from vtc.codec.streams import Geometry, StreamInfo, Symbols
from vtc.tokenizers.contract import Context, Latents, Lengths, Tokenizer
from vtc.tokenizers.contract import DecodeOptions as NetworkOptions
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME, to_float, to_uint8

CALL_PIXELS = {"cpu": 16 * 320 * 256, "cuda": 16 * 1280 * 768}
"""What goes through the network in one call, on a device of this type."""
FLIGHT_PIXELS = 2 * 16 * 512 * 512
"""What is in all calls on the CPU at the same time: more threads than that takes share the work of a call."""


@dataclass(frozen=True)
class LengthRule:
    """How many tokens of an item of a cut stream are kept: `factor` times what the motion asks for, or `fixed` ones."""

    factor: float = 1.0
    fixed: int | None = None

    def lengths(self, tokenizer: Tokenizer, clips: Tensor, streams: Sequence[StreamInfo]) -> dict[str, np.ndarray]:
        """Kept tokens `[B, items]` of clips float `[B, 3, T, H, W]` by sequence; all of them where the stream is not cut."""
        whole = {s.name: np.full((len(clips), s.items), s.positions) for s in streams if s.kind == "sequence"}
        cut = [stream for stream in streams if stream.cut]
        if self.fixed is not None:
            return whole | {stream.name: np.minimum(whole[stream.name], self.fixed) for stream in cut}
        asked = tokenizer.lengths(clips) if cut else {}
        for stream in cut:
            kept = (asked[stream.name].cpu().double() * self.factor).round().long()
            whole[stream.name] = kept.clamp(0, stream.positions).numpy()
        return whole


class Work(Protocol):
    """A segment at the network's door. `step`: the quantiser's. `ground`: None without a base layer."""

    @property
    def number(self) -> int: ...
    @property
    def step(self) -> float: ...
    @property
    def ground(self) -> Ground | None: ...


class ToEncode(Work, Protocol):
    @property
    def pixels(self) -> Tensor:
        """uint8 `[3, T, H, W]`, sides padded."""


class ToDecode(Work, Protocol):
    @property
    def symbols(self) -> Symbols | None:
        """None where the segment is lost."""


W = TypeVar("W", bound=Work)
E = TypeVar("E", bound=ToEncode)
D = TypeVar("D", bound=ToDecode)
Noise = Callable[[int, int], np.ndarray]


@dataclass(frozen=True)
class Call(Generic[W]):
    """One call of the network: `places` are (segment of `works`, tile). `batch`: all segments that belong together, lost ones too; `last`:
    whether this is the last call for them."""

    batch: Sequence[W]
    works: Sequence[W]
    places: Sequence[tuple[int, int]]
    last: bool


class Network:
    """The network of a tokenizer for pictures of one geometry at `rate` frames a second (0: unknown), on up to `threads` threads."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        streams: tuple[StreamInfo, ...],
        geometry: Geometry,
        device: torch.device,
        rate: float,
        threads: int,
    ) -> None:
        self.tokenizer, self.geometry, self.device, self.rate = tokenizer, geometry, device, rate
        self.streams = tuple(stream for stream in streams if not stream.whole)
        pixels = CALL_PIXELS[device.type]
        self.segments_a_call = batch_segments(geometry.layout, geometry.clip_frames, pixels)
        self.tiles_a_call = batch_tiles(geometry.layout, geometry.clip_frames, pixels)
        area = geometry.layout.tile_height * geometry.layout.tile_width
        fit = FLIGHT_PIXELS // (self.tiles_a_call * geometry.clip_frames * area)
        # Whole calls side by side use cores better than one call on several, and give the same floats for any number of threads.
        self.workers = max(1, min(threads, fit)) if device.type == "cpu" else 1
        self.setup = partial(torch.set_num_threads, max(1, threads // self.workers))

    def encode(self, works: Iterable[E], rule: LengthRule) -> Iterator[tuple[E, Symbols]]:
        """Every segment with the symbols of the network's streams."""
        parts: list[tuple[dict[str, np.ndarray], dict[str, np.ndarray]]] = []
        for call, part in spread(partial(self._analyse, rule), self._calls(works, lambda _: True), self.workers, self.setup):
            parts.append(part)
            if call.last:
                whole = {stream.name: np.concatenate([arrays[stream.name] for arrays, _ in parts]) for stream in self.streams}
                kept = {name: np.concatenate([lengths[name] for _, lengths in parts]) for name in parts[0][1]}
                for i, work in enumerate(call.works):
                    yield work, self._symbols(whole, kept, i)
                parts = []

    def decode(
        self, works: Iterable[D], steps: int, noise: Noise, decoder: str = ""
    ) -> Iterator[tuple[D, Tensor | None]]:
        """Every segment with its clip uint8 `[3, T, H, W]` on the CPU, None where its symbols are. `steps` of the diffusion decoder;
        `noise(number, tile)`: float32 `[3, T, h, w]` for a tile of a segment, asked for when `steps` is more than 1. `decoder`: one of the
        tokenizer's, empty for its default."""
        calls = self._calls(works, lambda work: work.symbols is not None)
        clips: list[Tensor] = []
        canvas = torch.empty(0)
        for call, painted in spread(partial(self._paint, steps, noise, decoder), calls, self.workers, self.setup):
            for (_, tile), picture in zip(call.places, painted):
                if self.geometry.layout.count == 1:
                    clips.append(picture)
                    continue
                if tile == 0:
                    canvas = torch.zeros((3, *self._size), device=self.device)
                self._blend(canvas, picture, tile)
                if tile == self.geometry.layout.count - 1:
                    # Frame by frame: a large clip in float is a lot of memory, and at once this would take it three times.
                    clips.append(torch.stack([to_uint8(frame).cpu() for frame in canvas.unbind(1)], 1))
                    canvas = torch.empty(0)
            if call.last:
                whole = iter(clips)
                for work in call.batch:
                    yield work, next(whole) if work.symbols is not None else None
                clips = []

    @property
    def _size(self) -> tuple[int, int, int]:
        return self.geometry.clip_frames, self.geometry.padded_height, self.geometry.padded_width

    def _calls(self, works: Iterable[W], whole: Callable[[W], bool]) -> Iterator[Call[W]]:
        for batch in _batches(works, self.segments_a_call):
            there = [work for work in batch if whole(work)]
            places = [(i, tile) for i in range(len(there)) for tile in range(self.geometry.layout.count)]
            starts = range(0, max(1, len(places)), self.tiles_a_call)
            for at in starts:
                yield Call(batch, there, places[at : at + self.tiles_a_call], at == starts[-1])

    @torch.inference_mode()
    def _analyse(self, rule: LengthRule, call: Call[E]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Symbols `[B, N, C]` of the network's streams and kept lengths `[B, items]` of the sequences of a call."""
        if not self.streams:
            return {}, {}
        pixels = to_float(self._cut([work.pixels for work in call.works], call))
        latents = self.tokenizer.encode(pixels, self.context(call))
        arrays = {}
        for stream in self.streams:
            scaled = latents[stream.name].float() * self._gains(call, stream)
            arrays[stream.name] = scaled.round().clamp(-stream.bound, stream.bound).to(torch.int16).cpu().numpy()
        return arrays, rule.lengths(self.tokenizer, pixels, self.streams)

    @torch.inference_mode()
    def _paint(self, steps: int, noise: Noise, decoder: str, call: Call[D]) -> Tensor:
        """The tiles of a call: uint8 on the CPU where a frame is one tile, otherwise float on the device, `[B, 3, T, h, w]`."""
        if not call.places:
            return torch.empty(0)
        latents, lengths = self.inputs(call)
        drawn = None
        if steps > 1:
            drawn = torch.from_numpy(np.stack([noise(call.works[i].number, tile) for i, tile in call.places])).to(self.device)
        options = NetworkOptions(steps, drawn, decoder)
        painted = self.tokenizer.decode(latents, lengths, self.context(call), options).float()
        return to_uint8(painted).cpu() if self.geometry.layout.count == 1 else painted

    def inputs(self, call: Call[D]) -> tuple[Latents, Lengths]:
        """Dequantised latents of the tiles of a call, and their kept lengths."""
        symbols = [work.symbols for work in call.works if work.symbols is not None]
        latents = {}
        for stream in self.streams:
            items = [symbols[i].arrays[stream.name].reshape(self.geometry.layout.count, -1, stream.channels) for i, _ in call.places]
            tokens = np.stack([item[tile] for item, (_, tile) in zip(items, call.places)])
            latents[stream.name] = torch.from_numpy(tokens).to(self.device).float() / self._gains(call, stream)
        lengths = {
            stream.name: torch.tensor(
                [symbols[i].lengths[stream.name][tile * stream.items : (tile + 1) * stream.items] for i, tile in call.places],
                device=self.device,
            )
            for stream in self.streams
            if stream.cut
        }
        return latents, lengths

    def _blend(self, canvas: Tensor, picture: Tensor, tile: int) -> None:
        rows, columns = self.geometry.layout.windows[tile]
        canvas[:, :, rows, columns].addcmul_(picture, torch.from_numpy(self.geometry.layout.weights[tile]).to(self.device))

    def _cut(self, clips: Sequence[Tensor], call: Call[W], unit: int = 1) -> Tensor:
        """Tiles `[B, 3, T, h, w]` of what lies over the frame with one value per `unit` pixels, on the device."""
        cut = []
        for i, tile in call.places:
            rows, columns = self.geometry.layout.windows[tile]
            down, across = slice(rows.start // unit, rows.stop // unit), slice(columns.start // unit, columns.stop // unit)
            cut.append(clips[i][:, :, down, across])
        return torch.stack(cut).to(self.device)

    def context(self, call: Call[W]) -> Context:
        """What else is known of the tiles of a call."""
        grounds = [work.ground for work in call.works if work.ground is not None]
        if not grounds:
            steps = torch.tensor([call.works[i].step for i, _ in call.places], device=self.device)
            layout = self.geometry.layout
            patches = layout.tile_height // PATCH_SIDE, layout.tile_width // PATCH_SIDE
            grid = self.geometry.clip_frames // PATCH_TIME, *patches
            return Context(steps, None, torch.zeros((len(call.places), 3, *grid), device=self.device), self.rate)
        base = to_float(self._cut([ground.frames for ground in grounds], call))
        side = self._cut([ground.side for ground in grounds], call, PATCH_SIDE)
        return Context(torch.stack([grounds[i].step for i, _ in call.places]), base, side, self.rate)

    def _gains(self, call: Call[W], stream: StreamInfo) -> Tensor:
        """`[B, 1, 1]`."""
        gains = [self.tokenizer.gains(call.works[i].step)[stream.name] for i, _ in call.places]
        return torch.tensor(gains, device=self.device)[:, None, None]

    def _symbols(self, whole: dict[str, np.ndarray], kept: dict[str, np.ndarray], segment: int) -> Symbols:
        """Those of one segment of a batch, cut tails set to zero."""
        count = self.geometry.layout.count
        items = slice(segment * count, (segment + 1) * count)
        symbols = Symbols({}, {})
        for stream in self.streams:
            array = whole[stream.name][items].reshape(self.geometry.shape(stream))
            if stream.kind == "sequence":
                own = kept[stream.name][items].reshape(-1)
                array = array * (np.arange(stream.positions) < own[:, None])[..., None]
                symbols.lengths[stream.name] = tuple(int(length) for length in own)
            symbols.arrays[stream.name] = array
        return symbols


def drawn_noise(seed: int, segment: int, tile: int, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise float32 of `shape` for a tile of a segment: Philox, a counter-based generator, so the same on every machine."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, segment << 20 | tile], np.uint64)))
    return generator.standard_normal(shape, np.float32)


def _batches(works: Iterable[W], size: int) -> Iterator[list[W]]:
    """Batches begin at multiples of their size: the same wherever in a file work begins. None waits for what comes behind it."""
    batch: list[W] = []
    for work in works:
        batch.append(work)
        if work.number % size == size - 1:
            yield batch
            batch = []
    if batch:
        yield batch
