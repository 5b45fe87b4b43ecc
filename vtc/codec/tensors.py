"""A bundle for people with tensors: clips to symbols and back, without a file (`vtc.load`)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.codec.ground import Ground, Reference
from vtc.codec.lookahead import of_group
from vtc.codec.model import Model, load_model, own_threads
from vtc.codec.network import LengthRule, drawn_noise
from vtc.codec.quality import step_of
from vtc.codec.streams import Geometry, Symbols
from vtc.codec.weights import find
from vtc.errors import UsageError
from vtc.tokenizers.layers.patch import to_float, to_uint8


@dataclass(frozen=True)
class Latents:
    """The symbols of a batch of clips: `segments[b][i]` of clip b, segment i. `size`: frames, height and width of the clips. `step`: the
    quantiser's. `bytes`: what the symbols take when they are entropy-coded, all clips together, without a file around them."""

    segments: tuple[tuple[Symbols, ...], ...]
    size: tuple[int, int, int]
    step: float
    frame_rate: float
    bytes: int

    def stream(self, name: str) -> list[list[np.ndarray]]:
        """The kept tokens of a stream, by clip and segment."""
        return [[symbols.kept(name) for symbols in clip] for clip in self.segments]


@dataclass(frozen=True)
class _Work:
    number: int
    step: float
    symbols: Symbols
    ground: Ground | None
    pixels: Tensor = field(default_factory=lambda: torch.empty(0))


class Codec:
    """A bundle on a device. Made by `vtc.load`."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.name, self.clip_frames = model.name, model.clip_frames
        self.bundle = model.identity.hex()
        self.streams = tuple(stream.name for stream in model.streams)

    @property
    def device(self) -> torch.device:
        return self._model.device

    def encode(
        self,
        clips: Tensor,
        *,
        quality: int = 50,
        length: float = 1.0,
        tokens: int | None = None,
        frame_rate: float = 0.0,
    ) -> Latents:
        """Clips float `[B, 3, T, H, W]` in [-1, 1], of any size, to symbols. `quality`, `length` and `tokens` as in `vtc encode`;
        `frame_rate` in frames a second, 0 where unknown."""
        if clips.ndim != 5 or clips.shape[1] != 3 or 0 in clips.shape:
            raise UsageError(f"a tensor of shape {tuple(clips.shape)} is not a batch of clips", "give [B, 3, T, H, W]")
        height, width = clips.shape[3:]
        step, geometry = step_of(quality), self._model.geometry(width, height)
        network = self._model.network(geometry, frame_rate)
        each = -(-clips.shape[2] // self.clip_frames)
        segments: list[Symbols] = []
        with own_threads():
            for work, found in network.encode(self._analysed(clips, geometry, step), LengthRule(length, tokens)):
                segments.append(Symbols({**work.symbols.arrays, **found.arrays}, found.lengths))
        size = 0
        for number, symbols in enumerate(segments):
            before = segments[number - 1] if number % each else None
            size += sum(len(stream.data) for stream in self._model.coder.encode(symbols, geometry, before, step)[0])
        by_clip = tuple(tuple(segments[at : at + each]) for at in range(0, len(segments), each))
        return Latents(by_clip, (clips.shape[2], height, width), step, frame_rate, size)

    def decode(self, latents: Latents, *, steps: int = 1, seed: int = 0) -> Tensor:
        """The clips again, float `[B, 3, T, H, W]` in [-1, 1]. `steps` and `seed` of the diffusion decoder."""
        frames, height, width = latents.size
        geometry = self._model.geometry(width, height)
        network = self._model.network(geometry, latents.frame_rate)
        each = len(latents.segments[0])

        def noise(number: int, tile: int) -> np.ndarray:
            size = (3, self.clip_frames, geometry.layout.tile_height, geometry.layout.tile_width)
            return drawn_noise(seed, number % each, tile, size)

        with own_threads():
            painted = [clip for _, clip in network.decode(self._based(latents), steps, noise) if clip is not None]
        joined = [torch.cat(painted[at : at + each], 1) for at in range(0, len(painted), each)]
        return to_float(torch.stack(joined)[:, :, :frames, :height, :width])

    def _analysed(self, clips: Tensor, geometry: Geometry, step: float) -> Iterator[_Work]:
        """The base layer of every piece of every clip."""
        number = 0
        for clip in clips:
            last: Reference | None = None
            pieces = self._cut(to_uint8(clip).cpu(), geometry)
            on_device = (pixels.to(self.device) for pixels in pieces)
            finer = of_group(on_device, step) if self._model.base is not None else repeat(None, len(pieces))
            for pixels, levels in zip(pieces, finer, strict=True):
                symbols, ground = self._model.base_encode(pixels, last, step, levels)
                last = None if ground is None else ground.end
                yield _Work(number, step, symbols, ground, pixels)
                number += 1

    def _based(self, latents: Latents) -> Iterator[_Work]:
        number = 0
        for segments in latents.segments:
            last: Reference | None = None
            for symbols in segments:
                ground = self._model.base_decode(symbols, last, latents.step)
                last = None if ground is None else ground.end
                yield _Work(number, latents.step, symbols, ground)
                number += 1

    def _cut(self, clip: Tensor, geometry: Geometry) -> tuple[Tensor, ...]:
        """A clip uint8 `[3, T, H, W]` padded by its edges and its last frame, in pieces of the tokenizer's length."""
        right, below = geometry.padded_width - clip.shape[3], geometry.padded_height - clip.shape[2]
        behind = -clip.shape[1] % self.clip_frames
        padded = F.pad(clip.float()[None], (0, right, 0, below, 0, behind), mode="replicate")[0].to(torch.uint8)
        return padded.split(self.clip_frames, 1)


def load(bundle: str, *, device: str = "auto", threads: int | None = None) -> Codec:
    """The bundle of a name or path, ready to encode and decode tensors. Raises BundleError."""
    return Codec(load_model(find(bundle), device, threads))
