"""What the base layer gives the network of a segment, and what the segment behind it leans on."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vtc.tokenizers.base import BaseLayer, BaseSegment


@dataclass(frozen=True)
class Reference:
    """The end of a segment: `frame` uint8 `[3, H, W]`, the last decoded one; `finer` int16 `[gh, gw]` of its last slice; `levels` float
    `[gh, gw]`, log2 of the step that the last symbols of the token at each place had."""

    frame: Tensor
    finer: Tensor
    levels: Tensor


@dataclass(frozen=True)
class Ground:
    """The picture uint8 `[3, T, H, W]`, what is told of its tokens, float `[4, S, gh, gw]`, the `step` that is told with it (a scalar),
    and where the next one goes on."""

    frames: Tensor
    side: Tensor
    step: Tensor
    end: Reference


def ground_of(segment: BaseSegment, before: Reference | None, step: float) -> Ground:
    """What the network is given of a segment that was coded with `step`, after what was `before`."""
    told, levels = fineness(segment.finer, segment.structural, before, step)
    side = BaseLayer.side(segment.motion, segment.structural, levels - told.log2())
    # Cloned, so that it does not hold the clip.
    end = Reference(segment.frames[:, -1].clone(), segment.finer[-1, ..., 0], levels[-1])
    return Ground(segment.frames, side, told, end)


def fineness(finer: Tensor, structural: Tensor, before: Reference | None, step: float) -> tuple[Tensor, Tensor]:
    """How finely a segment of these symbols `[S, gh, gw, 1 and C]` is shown: the geometric mean over its tokens of the step that their last
    symbols had, which may stand in a slice or segment before; and log2 of that step for each of them, `[S, gh, gw]`."""
    own = torch.log2(BaseLayer.steps(finer[..., 0], step))
    level = torch.full_like(own[0], step).log2_() if before is None else before.levels
    levels = []
    for coded, fresh in zip(structural.any(-1), own, strict=True):
        level = torch.where(coded, fresh, level)
        levels.append(level)
    stacked = torch.stack(levels)
    return torch.exp2(stacked.mean()), stacked


def inherited(finer: Tensor, structural: Tensor, before: Reference | None) -> Tensor:
    """`finer` int16 `[S, gh, gw, 1]` as it is written: where a token has no symbols, it is as in the slice before, which costs least."""
    level = torch.zeros_like(finer[0]) if before is None else before.finer[..., None]
    slices = []
    for coded, own in zip(structural.any(-1, keepdim=True), finer, strict=True):
        level = torch.where(coded, own, level)
        slices.append(level)
    return torch.stack(slices)
