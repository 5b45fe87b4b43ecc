"""A bundle for people with tensors: clips to symbols and back, without a file (`vtc.load`)."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.codec.model import Model, load_model
from vtc.codec.network import LengthRule, Network, drawn_noise
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
        self, clips: Tensor, *, quality: int = 50, length: float = 1.0, tokens: int | None = None, frame_rate: float = 0.0
    ) -> Latents:
        """Clips float `[B, 3, T, H, W]` in [-1, 1], of any size, to symbols. `quality`, `length` and `tokens` as in `vtc encode`;
        `frame_rate` in frames a second, 0 where unknown."""
        if clips.ndim != 5 or clips.shape[1] != 3 or 0 in clips.shape:
            raise UsageError(f"a tensor of shape {tuple(clips.shape)} is not a batch of clips", "give [B, 3, T, H, W]")
        frames, height, width = clips.shape[2:]
        step, rule = step_of(quality), LengthRule(length, tokens)
        geometry, network = self._prepared(width, height, frame_rate)
        coded, size = [], 0
        for clip in clips:
            before: Symbols | None = None
            last: Tensor | None = None
            segments = []
            for pixels in self._cut(to_uint8(clip).cpu(), geometry):
                symbols, ground = self._model.base_encode(pixels, last, step)
                last = None if ground is None else ground.frames[:, -1]
                found = network.encode([pixels], [ground], step, rule)[0]
                symbols = Symbols({**symbols.arrays, **found.arrays}, found.lengths)
                streams, _ = self._model.coder.encode(symbols, geometry, before)
                size += sum(len(stream.data) for stream in streams)
                before = symbols
                segments.append(symbols)
            coded.append(tuple(segments))
        return Latents(tuple(coded), (frames, height, width), step, frame_rate, size)

    def decode(self, latents: Latents, *, steps: int = 1, seed: int = 0) -> Tensor:
        """The clips again, float `[B, 3, T, H, W]` in [-1, 1]. `steps` and `seed` of the diffusion decoder."""
        frames, height, width = latents.size
        geometry, network = self._prepared(width, height, latents.frame_rate)
        clips = []
        for segments in latents.segments:
            last: Tensor | None = None
            parts: list[Tensor] = []
            for number, symbols in enumerate(segments):
                ground = self._model.base_decode(symbols, last, latents.step)
                last = None if ground is None else ground.frames[:, -1]

                def noise(_: int, tile: int, segment: int = number) -> np.ndarray:
                    size = (3, self.clip_frames, geometry.layout.tile_height, geometry.layout.tile_width)
                    return drawn_noise(seed, segment, tile, size)

                parts += network.decode([symbols], [ground], [latents.step], steps, noise)
            clips.append(to_float(torch.cat(parts, 1)[:, :frames, :height, :width]))
        return torch.stack(clips)

    def _prepared(self, width: int, height: int, rate: float) -> tuple[Geometry, Network]:
        geometry = self._model.geometry(width, height)
        return geometry, self._model.network(geometry, rate)

    def _cut(self, clip: Tensor, geometry: Geometry) -> tuple[Tensor, ...]:
        """A clip uint8 `[3, T, H, W]` padded by its edges and its last frame, in pieces of the tokenizer's length."""
        right, below = geometry.padded_width - clip.shape[3], geometry.padded_height - clip.shape[2]
        behind = -clip.shape[1] % self.clip_frames
        padded = F.pad(clip.float()[None], (0, right, 0, below, 0, behind), mode="replicate")[0].to(torch.uint8)
        return padded.split(self.clip_frames, 1)


def load(bundle: str, *, device: str = "auto", threads: int | None = None) -> Codec:
    """The bundle of a name or path, ready to encode and decode tensors. Raises BundleError."""
    return Codec(load_model(find(bundle), device, threads))
