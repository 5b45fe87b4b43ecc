"""What the base layer gives the network of a segment, and what the segment behind it leans on."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Reference:
    """The end of a segment: `frame` uint8 `[3, H, W]`, the last decoded one; `levels` float `[gh, gw]`, log2 of the step that the last
    symbols of the token at each place had."""

    frame: Tensor
    levels: Tensor


@dataclass(frozen=True)
class Ground:
    """The picture uint8 `[3, T, H, W]`, what is told of its tokens, float `[3, S, gh, gw]`, the `step` that it was coded with (a scalar),
    and where the next one goes on."""

    frames: Tensor
    side: Tensor
    step: Tensor
    end: Reference


def fineness(structural: Tensor, before: Reference | None, step: float) -> tuple[Tensor, Tensor]:
    """How finely a segment of these symbols `[S, gh, gw, C]` is coded, to be told to the network: the geometric mean over its tokens of the
    step that their last symbols had, which may stand in a segment before, with a finer one. Second, the levels of its end."""
    own = torch.log2(torch.tensor(step, device=structural.device))
    levels = own.expand(structural.shape[1:3]) if before is None else before.levels
    means = []
    for coded in structural.any(-1):
        levels = torch.where(coded, own, levels)
        means.append(levels.mean())
    return torch.exp2(torch.stack(means).mean()), levels
