"""What every tokenizer offers (DESIGN.md, The contract of a tokenizer)."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vtc.tokenizers.base import BaseLayer

Latents = dict[str, Tensor]


@dataclass(frozen=True)
class Stream:
    """A named part of the latents. Symbols are integers in [-bound, bound].

    A `grid` has a token per 4x16x16 pixels, of the whole frame if the base layer codes it and else of a tile; a `sequence` belongs
    to a tile. `cut`: the tail may be left out.
    `positions`: most tokens of a sequence in one clip (0 where that depends on its size). `classes` and `sides`: of its entropy model.
    """

    name: str
    channels: int
    bound: int
    kind: Literal["grid", "sequence"]
    cut: bool = False
    positions: int = 0
    classes: int = 1
    sides: int = 1


@dataclass(frozen=True)
class Context:
    """What encoder and decoder know of a tile besides its own latents, all decoded before the network runs.

    `step`: the base layer's quantiser step `[B]`. `base`: its picture, float `[B, 3, T, H, W]` in [-1, 1], None where there is no base
    layer. `side`: `BaseLayer.side` of the tile's tokens, `[B, 3, S, gh, gw]`, zeros without one. `frame_rate` in frames a
    second, 0 where unknown.
    """

    step: Tensor
    base: Tensor | None = None
    side: Tensor | None = None
    frame_rate: float = 0.0


@dataclass(frozen=True)
class DecodeOptions:
    """`steps` of the diffusion decoder; `noise` standard normal `[B, 3, T, H, W]`, asked for when steps > 1."""

    steps: int = 1
    noise: Tensor | None = field(default=None, compare=False)


class Tokenizer(nn.Module, ABC):
    """Pixels to continuous latents and back. Clips are float `[B, 3, T, H, W]` in [-1, 1], T fixed, H and W multiples of 16."""

    name: str
    config: Any
    clip_frames: int
    stride = (4, 16, 16)  # frames, rows, columns of a token
    base: BaseLayer | None

    @property
    @abstractmethod
    def streams(self) -> tuple[Stream, ...]:
        """All streams in the order of the file, those of the base layer first."""

    @abstractmethod
    def gains(self, step: float) -> dict[str, float]:
        """Per stream that `encode` gives: symbols = clamp(round(gain * latent), +-bound)."""

    @abstractmethod
    def encode(self, clip: Tensor, context: Context) -> Latents:
        """Continuous latents `[B, N, C]` of every stream that the base layer does not code, at full length."""

    @abstractmethod
    def lengths(self, clip: Tensor) -> Tensor:
        """Tokens `[B]` (int64) that the length rule keeps of the stream that may be cut."""

    @abstractmethod
    def decode(self, latents: Latents, lengths: Tensor, context: Context, options: DecodeOptions) -> Tensor:
        """The clip from dequantised latents (symbol / gain; cut tails zero) and their kept `lengths [B]`."""


def inference_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the hardware multiplies it natively, else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    native = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32
