"""Clips through the tokenizer's network and back: tiles cut, batched, run on the device, blended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vtc.codec.plan import BATCH_PIXELS, batch_tiles
from vtc.codec.streams import Geometry, StreamInfo, Symbols
from vtc.tokenizers.contract import Context, Tokenizer
from vtc.tokenizers.contract import DecodeOptions as NetworkOptions
from vtc.tokenizers.layers.patch import to_float, to_uint8

Places = Sequence[tuple[int, int]]
"""(clip of the batch, tile of its frame)."""


@dataclass(frozen=True)
class Ground:
    """What the base layer gives the network: its picture uint8 `[3, T, H, W]` and what is told of its tokens, float `[3, S, gh, gw]`."""

    frames: Tensor
    side: Tensor


@dataclass(frozen=True)
class LengthRule:
    """How many tokens of a cut stream are kept: `factor` times what the motion asks for, or `fixed` ones."""

    factor: float = 1.0
    fixed: int | None = None

    def lengths(self, tokenizer: Tokenizer, clips: Tensor, most: int) -> np.ndarray:
        """Kept tokens `[B]` of clips float `[B, 3, T, H, W]`, from 0 to `most`."""
        if self.fixed is not None:
            return np.full(len(clips), min(self.fixed, most))
        asked = tokenizer.lengths(clips).cpu().double()
        return (asked * self.factor).round().long().clamp(0, most).numpy()


class Network:
    """The network of a tokenizer for pictures of one geometry. Clips are uint8 `[3, T, H, W]`, sides padded to multiples of 16."""

    def __init__(
        self, tokenizer: Tokenizer, streams: tuple[StreamInfo, ...], geometry: Geometry, device: torch.device, rate: float
    ) -> None:
        self.tokenizer, self.geometry, self.device, self.rate = tokenizer, geometry, device, rate
        self.streams = tuple(stream for stream in streams if not stream.whole)
        self.batch = batch_tiles(geometry.layout, geometry.clip_frames, BATCH_PIXELS)

    @torch.inference_mode()
    def encode(
        self, clips: Sequence[Tensor], grounds: Sequence[Ground | None], step: float, rule: LengthRule
    ) -> list[Symbols]:
        """Symbols of the network's streams, a `Symbols` for each clip."""
        gains = self.tokenizer.gains(step)
        most = max((stream.positions for stream in self.streams if stream.kind == "sequence"), default=0)
        parts: list[dict[str, np.ndarray]] = []
        lengths: list[np.ndarray] = []
        for places in self._batches(len(clips)):
            pixels = to_float(self._cut(clips, places))
            latents = self.tokenizer.encode(pixels, self._context(grounds, places, step))
            lengths.append(rule.lengths(self.tokenizer, pixels, most))
            parts.append({s.name: _rounded(latents[s.name] * gains[s.name], s.bound) for s in self.streams})
        kept = np.concatenate(lengths)
        whole = {stream.name: np.concatenate([part[stream.name] for part in parts]) for stream in self.streams}
        count = self.geometry.layout.count
        return [self._segment(whole, kept, slice(i * count, (i + 1) * count)) for i in range(len(clips))]

    @torch.inference_mode()
    def decode(
        self,
        symbols: Sequence[Symbols],
        grounds: Sequence[Ground | None],
        steps: Sequence[float],
        diffusion_steps: int,
        noise: Callable[[int, int], np.ndarray],
    ) -> Iterator[Tensor]:
        """The clips again, uint8 `[3, T, H, W]` on the CPU, one after the other. `steps`: the quantiser's, a clip each. `noise(i, tile)`:
        float32 `[3, T, h, w]`, asked for when `diffusion_steps` is more than 1."""
        layout, size = self.geometry.layout, (self.geometry.padded_height, self.geometry.padded_width)
        canvas = torch.empty(0)
        for places in self._batches(len(symbols)):
            painted = self._painted(symbols, grounds, places, steps, diffusion_steps, noise)
            for (_, tile), picture in zip(places, painted):
                if layout.count == 1:
                    yield to_uint8(picture).cpu()
                    continue
                if tile == 0:
                    canvas = torch.zeros((3, self.geometry.clip_frames, *size), device=self.device)
                rows, columns = layout.windows[tile]
                canvas[:, :, rows, columns].addcmul_(picture, torch.from_numpy(layout.weights[tile]).to(self.device))
                if tile == layout.count - 1:
                    # Frame by frame: a large clip in float is a lot of memory, and at once this would take it three times.
                    yield torch.stack([to_uint8(frame).cpu() for frame in canvas.unbind(1)], 1)

    def _painted(
        self,
        symbols: Sequence[Symbols],
        grounds: Sequence[Ground | None],
        places: Places,
        steps: Sequence[float],
        diffusion_steps: int,
        noise: Callable[[int, int], np.ndarray],
    ) -> Tensor:
        gains = [self.tokenizer.gains(step) for step in steps]
        latents = {}
        for stream in self.streams:
            arrays = [self._item(symbols[i].arrays[stream.name], stream, tile) for i, tile in places]
            scale = torch.tensor([1 / gains[i][stream.name] for i, _ in places], device=self.device)
            latents[stream.name] = torch.from_numpy(np.stack(arrays)).to(self.device).float() * scale[:, None, None]
        kept = [max((counts[tile] for counts in symbols[i].lengths.values()), default=0) for i, tile in places]
        drawn = None
        if diffusion_steps > 1:
            drawn = torch.from_numpy(np.stack([noise(i, tile) for i, tile in places])).to(self.device)
        context = self._context(grounds, places, [steps[i] for i, _ in places])
        lengths = torch.tensor(kept, dtype=torch.long, device=self.device)
        return self.tokenizer.decode(latents, lengths, context, NetworkOptions(diffusion_steps, drawn)).float()

    def _batches(self, clips: int) -> Iterator[Places]:
        places = [(i, tile) for i in range(clips) for tile in range(self.geometry.layout.count)]
        for at in range(0, len(places), self.batch):
            yield places[at : at + self.batch]

    def _cut(self, clips: Sequence[Tensor], places: Places, unit: int = 1) -> Tensor:
        """Tiles `[B, 3, T, h, w]` of what lies over the frame with one value per `unit` pixels, on the device."""
        cut = []
        for i, tile in places:
            rows, columns = self.geometry.layout.windows[tile]
            down, across = slice(rows.start // unit, rows.stop // unit), slice(columns.start // unit, columns.stop // unit)
            cut.append(clips[i][:, :, down, across])
        return torch.stack(cut).to(self.device)

    def _context(self, grounds: Sequence[Ground | None], places: Places, step: float | Sequence[float]) -> Context:
        steps = torch.tensor(step, device=self.device, dtype=torch.float32).expand(len(places))
        known = [ground for ground in grounds if ground is not None]
        if not known:
            time, down, across = self.geometry.stride
            layout = self.geometry.layout
            grid = self.geometry.clip_frames // time, layout.tile_height // down, layout.tile_width // across
            return Context(steps, None, torch.zeros((len(places), 3, *grid), device=self.device), self.rate)
        base = to_float(self._cut([ground.frames for ground in known], places))
        side = self._cut([ground.side for ground in known], places, self.geometry.stride[1])
        return Context(steps, base, side, self.rate)

    def _item(self, array: np.ndarray, stream: StreamInfo, tile: int) -> np.ndarray:
        return array.reshape(self.geometry.layout.count, -1, stream.channels)[tile]

    def _segment(self, whole: dict[str, np.ndarray], kept: np.ndarray, items: slice) -> Symbols:
        symbols = Symbols({}, {})
        for stream in self.streams:
            array = whole[stream.name][items].reshape(self.geometry.shape(stream))
            if stream.kind == "sequence":
                own = np.minimum(kept[items], stream.positions)
                array = array * (np.arange(stream.positions) < own[:, None])[..., None]
                symbols.lengths[stream.name] = tuple(int(length) for length in own)
            symbols.arrays[stream.name] = array
        return symbols


def drawn_noise(seed: int, segment: int, tile: int, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise float32 of `shape` for a tile of a segment: Philox, a counter-based generator, so the same on every machine."""
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, segment << 20 | tile], np.uint64)))
    return generator.standard_normal(shape, np.float32)


def _rounded(latents: Tensor, bound: int) -> np.ndarray:
    return latents.float().round().clamp(-bound, bound).to(torch.int16).cpu().numpy()
