"""The loop that trains a small network for a share of the time there is."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Effort:
    """How long to train: `seconds` of the clock in all, or so many `steps` of every network. `batch` samples at a time are drawn with
    `seed`."""

    seconds: float
    steps: int | None = None
    batch: int = 512
    seed: int = 0

    def share(self, part: float) -> "Effort":
        """A part of the seconds."""
        return replace(self, seconds=self.seconds * part)


def train(
    network: nn.Module,
    loss: Callable[[Tensor], Tensor],
    count: int,
    lr: float,
    effort: Effort,
    progress: Callable[[float, int, float], None],
) -> None:
    """Adam with a cosine over the steps, or over the clock: `loss(index [batch])` of samples drawn from `count`.

    `progress(position in [0, 1], step, loss)` is called now and then.
    """
    steps, seconds = effort.steps, effort.seconds
    optimiser = torch.optim.Adam(network.parameters(), lr=lr, betas=(0.9, 0.99))
    generator = torch.Generator().manual_seed(effort.seed)
    began, step, smooth = time.monotonic(), 0, math.nan
    while True:
        position = step / steps if steps is not None else (time.monotonic() - began) / seconds
        if position >= 1:
            return
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 50) * (0.5 * (1 + math.cos(math.pi * position)) + 0.005)
        value = loss(torch.randint(count, (effort.batch,), generator=generator))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        step += 1
        now = float(value.detach())
        smooth = now if math.isnan(smooth) else 0.98 * smooth + 0.02 * now
        if step % 50 == 0:
            progress(position, step, smooth)
