"""What the loop asks of the thing that is trained."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from torch import Generator, Tensor, nn

from vtc.training.recipe import Stage


class Objective(Protocol):
    """A loss, how it is judged, and what it wants computed once per video.

    Batches are dicts: `clip` uint8 [B, 3, T, H, W], and for each array that `prepare` returns its crop ([B, C, T, H,
    W], [B, T] or [B, C, T/4, H/16, W/16], dtypes kept). Objects are sent to worker processes, so they must be
    picklable.
    """

    prepare_key: str
    """Names what `prepare` computes: a change makes the cache compute it again."""

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Arrays to keep beside uint8 frames [T, 3, H, W], of any dtype that numpy can store: each [T, C, H, W],
        [T] or, on the grid of tokens, [T/4, C, H/16, W/16].
        """
        ...

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to be minimised and its parts for the log, under autocast. All chance comes from `generator`."""
        ...

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """Figures of the averaged weights on held-out clips, each a batch of one on the model's device."""
        ...

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Turn the model, which holds the averaged weights, into a bundle at `path`."""
        ...
