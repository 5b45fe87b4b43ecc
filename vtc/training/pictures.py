"""What a run looks like: at each evaluation a PNG of source, intermediate and decoded pictures of a few clips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from vtc.media import float_to_rgb8
from vtc.media.picture import below, beside, save_png

CLIPS = 4


@runtime_checkable
class Showing(Protocol):
    """An objective that can show what the model makes of clips."""

    def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
        """Of every clip (a batch of one) a row of pictures [3, H, W] in [-1, 1]: the source first, decoded last."""
        ...


def save_pictures(path: Path, rows: list[list[Tensor]]) -> None:
    """Write a PNG with a row for every clip."""
    arrays = [[float_to_rgb8(p.float().cpu().clamp(-1, 1).permute(1, 2, 0).numpy()) for p in row] for row in rows]
    path.parent.mkdir(exist_ok=True)
    save_png(path, below([beside(*row) for row in arrays]))
