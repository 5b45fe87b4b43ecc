"""Semi-amortised inference for the base layer: symbols are moved by one where gradients through the frozen decoder say that it pays.

The error that counts is that of the decoded clip, after the network, not that of the base picture. Its gradient reaches every symbol
through the base layer's loop, so that a symbol answers for the later slices that are predicted from it too. (After semi-amortised
variational autoencoders, arXiv 1802.02550, and their use in compression, arXiv 2006.04240; whole-number moves in place of annealed
rounding are our choice.)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vtc.tokenizers import motion, partition
from vtc.tokenizers.base import STRUCTURAL_BOUND, BaseLayer, BaseSegment
from vtc.tokenizers.deblock import deblock
from vtc.tokenizers.layers.patch import unpatchify
from vtc.tokenizers.motion import CONTEXT
from vtc.tokenizers.overlap import WHOLE, blended

Score = Callable[[Tensor, Tensor], tuple[float, Tensor]]
"""From the base picture, whole numbers 0..255 in float `[3, T, H, W]`, and its symbols to the squared error of the decoded clip, in units
of pixels in [-1, 1], and its gradient by the base picture."""

BEST_SHARE = 0.5
"""Of the moves that pay by themselves, those that are made at once: moves of neighbours get in each other's way."""

FALSE, WEAK, STRONG = 2.5, 1.3, 0.8
"""How a slice's stiffness changes after a step that made things worse, gained less than half of what was promised, or more than that."""


def refine(
    base: BaseLayer, segment: BaseSegment, last: Tensor | None, step: float, score: Score, steps: int
) -> BaseSegment:
    """The segment with other symbols, at a lower sum of `score` and price; vectors stay. `last` and `step` as given to `encode`.

    Each of the `steps` changes one slice, decodes everything and keeps the change if the sum fell.
    """
    slices = len(segment.motion)
    best = _State.of(base, segment, segment.structural.float(), last, step, score)
    # A symbol shows in its own slice and in those predicted from it: that often its square counts, to begin with.
    stiffness = [float(slices - number) for number in range(slices)]
    number, idle = 0, 0
    while steps > 0 and idle < slices:
        symbols, promised = best.moved(number, stiffness[number])
        if promised == 0:
            idle += 1
        else:
            found = _State.of(base, segment, symbols, last, step, score)
            steps -= 1
            gained = best.cost - found.cost
            stiffness[number] *= (
                FALSE if gained <= 0 else WEAK if gained < promised / 2 else STRONG if gained > promised else 1.0
            )
            best, idle = (found, 0) if gained > 0 else (best, idle)
        number = (number + 1) % slices
    structural = best.symbols.to(segment.structural.dtype)
    frames = base.decode(segment.motion, segment.finer, segment.partition, structural, last, step)
    return replace(segment, structural=structural, frames=frames)


@dataclass(frozen=True)
class _State:
    """Symbols in float `[S, gh, gw, C]`, the tables that price them, the error's gradient by each, the whole cost, and the steps of the
    tokens, `[S, gh, gw]`."""

    base: BaseLayer
    symbols: Tensor
    tables: Tensor
    gradient: Tensor
    cost: float
    steps: Tensor

    @staticmethod
    def of(
        base: BaseLayer, segment: BaseSegment, symbols: Tensor, last: Tensor | None, step: float, score: Score
    ) -> "_State":
        bits, tables = base.prices(segment.motion, segment.finer, symbols, step)
        steps = base.steps(segment.finer[..., 0], step)
        with torch.enable_grad():
            free = symbols.clone().requires_grad_()
            picture = decode(base, segment.motion, segment.partition, free, last, steps)
            error, slope = score(picture.detach(), symbols)
            (gradient,) = torch.autograd.grad(picture, free, slope)
        # numpy's sum does not depend on the number of threads.
        price = bits * steps.square()
        cost = error + base.config.lagrangian * float(np.sum(price.cpu().numpy(), dtype=np.float64))
        return _State(base, symbols, tables, gradient, cost, steps)

    def moved(self, number: int, stiffness: float) -> tuple[Tensor, float]:
        """The symbols with the best moves of slice `number` made, and how much less that should cost: 0 where nothing pays.

        A move by one changes the cost by the gradient, plus `stiffness` step^2 (an orthonormal basis makes that the squared error of
        the move itself), plus what the other symbol costs more.
        """
        symbols, gradient, tables = self.symbols[number], self.gradient[number], self.tables[number]
        square = self.steps[number][..., None].square()
        weight = self.base.config.lagrangian * square
        size = symbols.abs()
        sign = torch.where(symbols == 0, -gradient.sign(), symbols.sign())
        price = self.base.bits(tables, size)
        larger, smaller = (size + 1).clamp(max=STRUCTURAL_BOUND), (size - 1).clamp(min=0)
        own = stiffness * square
        grow = own + gradient * sign + weight * (self.base.bits(tables, larger) - price)
        shrink = own - gradient * sign + weight * (self.base.bits(tables, smaller) - price)
        # Nothing grows in an empty token, whose first symbol would cost a class, nor beyond the bound.
        may_grow = (size.sum(-1, keepdim=True) > 0) & (larger > size)
        grow = grow.masked_fill(~may_grow, torch.inf)
        shrink = shrink.masked_fill(size == 0, torch.inf)
        change = torch.minimum(grow, shrink)
        paying = change[change < 0]
        if not len(paying):
            return self.symbols, 0.0
        chosen = change <= paying.kthvalue(max(1, int(BEST_SHARE * len(paying)))).values
        moved = self.symbols.clone()
        moved[number] = torch.where(chosen, torch.where(grow < shrink, larger, smaller) * sign, symbols)
        return moved, -float(np.sum(change[chosen].cpu().numpy(), dtype=np.float64))


def decode(
    base: BaseLayer, vectors: Tensor, parts: Tensor, symbols: Tensor, last: Tensor | None, steps: Tensor
) -> Tensor:
    """`BaseLayer.decode` of symbols in float, of tokens with these `steps` `[S, gh, gw]`: the same numbers in float `[3, T, H, W]`;
    gradients pass through its roundings as if they were not there."""
    decoded: list[Tensor] = []
    shown = None if last is None else last.float()
    for told, parted, z, own in zip(vectors.long(), parts.long(), symbols, steps, strict=True):
        prediction = base.mean
        if shown is not None:
            doubled = motion.interpolated(shown, lambda total: _floor(total / 32))
            leaning = told[..., 0] == CONTEXT
            blocks = motion.fetch(doubled, told[..., 1:])
            if base.config.overlap:
                blocks = blocks.index_put(
                    *blended(doubled, told[..., 1:], leaning, lambda total: _floor(total / WHOLE))
                )
            blocks = blocks.index_put(
                *partition.contexts(
                    doubled, told[..., 1:], parted, leaning, base.config.overlap, lambda total: _floor(total / WHOLE)
                )
            )
            prediction = torch.where(leaning[..., None], blocks.flatten(2) * (1 / 127.5) - 1, base.mean)
        patches = prediction + (z * own[..., None]) @ base.basis.T
        picture = _Straight.apply((unpatchify(patches[None, None])[0] + 1) * 127.5, torch.round).clamp(0, 255)
        decoded.append(deblock(picture, z.any(-1), own, lambda total: _floor(total / 8)))
        shown = decoded[-1][:, -1]
    return torch.cat(decoded, 1)


def _floor(x: Tensor) -> Tensor:
    floored: Tensor = _Straight.apply(x, torch.floor)
    return floored


class _Straight(torch.autograd.Function):
    """A rounding; its gradient is that of the identity."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
        return rounding(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None
