"""Gradients through the decoder, tile after tile, for the refinement of a segment's symbols."""

import numpy as np
import torch
from torch import Tensor

from vtc.codec.ground import Reference, fineness
from vtc.codec.network import LengthRule
from vtc.codec.streams import Geometry, StreamInfo
from vtc.tokenizers.base import BaseSegment
from vtc.tokenizers.contract import Context, Latents, Lengths, Tokenizer
from vtc.tokenizers.contract import DecodeOptions as NetworkOptions
from vtc.tokenizers.layers.patch import PATCH_SIDE, to_float
from vtc.tokenizers.refine import refine


class Refiner:
    """Refines the segments of one geometry, of a tokenizer with a base layer; `steps` for each."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        streams: tuple[StreamInfo, ...],
        geometry: Geometry,
        rate: float,
        rule: LengthRule,
        steps: int,
    ) -> None:
        self.tokenizer, self.geometry, self.rate, self.rule, self.steps = tokenizer, geometry, rate, rule, steps
        self.streams = [stream for stream in streams if not stream.whole]

    def __call__(self, segment: BaseSegment, pixels: Tensor, before: Reference | None, step: float) -> BaseSegment:
        """The segment with other symbols. `pixels` uint8 `[3, T, H, W]`: what it is to show; `before`, `step`: as it was coded with."""
        base = self.tokenizer.base
        assert base is not None
        wanted, fine = to_float(pixels), fineness(segment.finer, segment.structural, before, step)[0]

        def told(symbols: Tensor) -> Tensor:
            return base.side(segment.motion, symbols, fineness(segment.finer, symbols, before, step)[1] - fine.log2())

        shown, side = to_float(segment.frames), told(segment.structural)
        coded = [self._coded(tile, wanted, shown, side, step, fine) for tile in range(self.geometry.layout.count)]

        def score(picture: Tensor, symbols: Tensor) -> tuple[float, Tensor]:
            side = told(symbols)
            error, slope = 0.0, torch.zeros_like(picture)
            for tile, (latents, lengths) in enumerate(coded):
                shown = (self._window(picture, tile) / 127.5 - 1).requires_grad_()
                context = self._context(shown, side, tile, fine)
                off = self.tokenizer.decode(latents, lengths, context, NetworkOptions()).float() - self._window(
                    wanted, tile
                )
                share = torch.from_numpy(self.geometry.layout.weights[tile]).to(off.device)
                weighed = share * off.detach()
                (gradient,) = torch.autograd.grad(off, shown, 2 * weighed)
                self._window(slope, tile).add_(gradient, alpha=1 / 127.5)
                error += float(np.sum((weighed * off.detach()).cpu().numpy(), dtype=np.float64))
            return error, slope

        return refine(base, segment, None if before is None else before.frame, step, score, self.steps)

    @torch.no_grad()
    def _coded(
        self, tile: int, wanted: Tensor, shown: Tensor, side: Tensor, step: float, fine: Tensor
    ) -> tuple[Latents, Lengths]:
        """The network's latents of a tile as they would be decoded now, and how many are kept."""
        clip, context = self._window(wanted, tile), self._context(self._window(shown, tile), side, tile, fine)
        found, gains = self.tokenizer.encode(clip, context), self.tokenizer.gains(step)
        latents = {}
        for stream in self.streams:
            scaled = (found[stream.name].float() * gains[stream.name]).round().clamp(-stream.bound, stream.bound)
            latents[stream.name] = scaled / gains[stream.name]
        kept = self.rule.lengths(self.tokenizer, clip, self.streams)
        return latents, {s.name: torch.from_numpy(kept[s.name]).to(clip.device) for s in self.streams if s.cut}

    def _context(self, shown: Tensor, side: Tensor, tile: int, fine: Tensor) -> Context:
        return Context(fine[None], shown, self._window(side, tile, PATCH_SIDE), self.rate)

    def _window(self, whole: Tensor, tile: int, unit: int = 1) -> Tensor:
        """A view `[1, C, T, h, w]` of a tile of `[C, T, H, W]`, which has one value per `unit` pixels."""
        rows, columns = self.geometry.layout.windows[tile]
        down, across = slice(rows.start // unit, rows.stop // unit), slice(columns.start // unit, columns.stop // unit)
        return whole[None, :, :, down, across]
