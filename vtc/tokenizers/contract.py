"""What every tokenizer offers (DESIGN.md, The contract of a tokenizer)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from vtc.tokenizers.base import BaseLayer

Latents = dict[str, Tensor]
"""Continuous latents `[B, N, C]` by stream."""

Lengths = dict[str, Tensor]
"""Kept tokens int64 `[B, items]` of every stream that may be cut."""


@dataclass(frozen=True)
class Stream:
    """A named part of the latents. Symbols are integers in [-bound, bound].

    A `grid` has a token per `stride` (frames, rows, columns) pixels, of the whole frame if the base layer codes it and else of a tile. A
    stride as long as the clip or the tile makes it a plane or a single picture. `classes` and `sides`: of its entropy model.
    A `sequence` belongs to a tile, which has `items` of them (VTok: one for every later frame), each of `positions` tokens; its latents are
    `[B, items * positions, C]`. `cut`: the tail of every item may be left out.
    `levels`: of a stream of finite scalar quantisation, by channel: symbols are the digits of an id, from -(L // 2) to (L - 1) // 2.
    """

    name: str
    channels: int
    bound: int
    kind: Literal["grid", "sequence"]
    cut: bool = False
    positions: int = 0
    classes: int = 1
    sides: int = 1
    stride: tuple[int, int, int] = (4, 16, 16)
    items: int = 1
    levels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Context:
    """What encoder and decoder know of a tile besides its own latents, all decoded before the network runs.

    `step`: the base layer's quantiser step `[B]`. `base`: its picture, float `[B, 3, T, H, W]` in [-1, 1], None where there is no base
    layer. `side`: `BaseLayer.side` of the tile's 4x16x16 patches, `[B, 4, T/4, H/16, W/16]`, 3 zeros without one, so that its shape always
    tells the size of the clip. `frame_rate` in frames a second, 0 where unknown.
    """

    step: Tensor
    base: Tensor | None = None
    side: Tensor | None = None
    frame_rate: float = 0.0


@dataclass(frozen=True)
class Query:
    """What a coordinate decoder is asked for: pictures at `times` (in frames from the clip's first, also between frames, rising), of the
    window `top`, `left`, `height`, `width` in pixels of the clip, with `factor` pixels painted for each of those along both sides."""

    times: tuple[float, ...]
    top: int
    left: int
    height: int
    width: int
    factor: int = 1


@dataclass(frozen=True)
class DecodeOptions:
    """`decoder`: one of the tokenizer's `decoders`, empty for its first. `steps` of the diffusion decoder; `noise` standard normal
    `[B, 3, T, H, W]`, asked for when steps > 1. `query` of the coordinate decoder: the whole clip where None."""

    steps: int = 1
    noise: Tensor | None = field(default=None, compare=False)
    decoder: str = ""
    query: Query | None = None


class Tokenizer(nn.Module, ABC):
    """Pixels to continuous latents and back. Clips are float `[B, 3, T, H, W]` in [-1, 1]: T is `clip_frames`, a multiple of 4; H and W
    are those of `tile` (height, width) where the size is fixed, else any; always multiples of 16 and of the strides of the streams.

    Cutting, padding, blending and quantisation are the codec's work. A tokenizer without a base layer sets `base` to None. `decoders`:
    those that it has, diffusion or coordinate, its default first.
    """

    name: str
    config: Any
    clip_frames: int
    tile: tuple[int, int] | None = None
    decoders: tuple[str, ...] = ("diffusion",)
    base: BaseLayer | None

    @property
    @abstractmethod
    def streams(self) -> tuple[Stream, ...]:
        """All streams in the order of the file, those of the base layer first."""

    @abstractmethod
    def gains(self, step: float) -> dict[str, float]:
        """Per stream that `encode` gives: symbols = clamp(round(gain * latent), +-bound). `step` is that of `--quality`; latents that are
        whole numbers already (FSQ) have a gain of 1 whatever the step."""

    @abstractmethod
    def encode(self, clip: Tensor, context: Context) -> Latents:
        """Continuous latents `[B, N, C]` of every stream that the base layer does not code, at full length."""

    @abstractmethod
    def lengths(self, clip: Tensor) -> Lengths:
        """Tokens that the length rule keeps of the streams that may be cut; nothing where none may be."""

    @abstractmethod
    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        """The clip from dequantised latents (symbol / gain; cut tails zero) and their kept lengths, or what a query asks of it:
        `[B, 3, len(times), factor * height, factor * width]`."""
