"""Which places of CoordTok's grid a training step looks at, and the pixels there. Places are int64 `[B, N, 3]`: slot, row, column."""

import torch
from torch import Generator, Tensor

from vtc.tokenizers.coordtok import CoordTok


def scattered(tokenizer: CoordTok, batch: int, generator: Generator, device: torch.device) -> Tensor:
    """Grid places `[B, points, 3]`, drawn for every clip, none twice."""
    slots, rows, columns = tokenizer.config.decoder.grid(tokenizer.size)
    drawn = torch.rand(batch, slots * rows * columns, generator=generator, device=device)
    return _places(drawn.argsort(1)[:, : tokenizer.config.decoder.points], rows, columns)


def consecutive(tokenizer: CoordTok, batch: int, generator: Generator, device: torch.device) -> Tensor:
    """The grid places `[B, N, 3]` of whole frames that one slice of a decode holds, another slice for every clip."""
    slots, rows, columns = tokenizer.config.decoder.grid(tokenizer.size)
    length = slots_at_once(tokenizer)
    first = torch.randint(slots // length, (batch, 1), generator=generator, device=device) * length
    inside = torch.arange(length * rows * columns, device=device)
    return _places(first * rows * columns + inside, rows, columns)


def slots_at_once(tokenizer: CoordTok) -> int:
    """Slots of frames in one slice of a decode: at least one, at most all."""
    slots, rows, columns = tokenizer.config.decoder.grid(tokenizer.size)
    return max(1, min(slots, tokenizer.config.decoder.points // (rows * columns)))


def patches_at(clip: Tensor, index: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """The patches `[B, N, P]` of a clip `[B, 3, T, H, W]` at grid places `[B, N, 3]`, in the decoder's order; nothing else is copied."""
    time, down, across = patch
    blocks = clip.unflatten(4, (-1, across)).unflatten(3, (-1, down)).unflatten(2, (-1, time))
    blocks = blocks.permute(0, 2, 4, 6, 3, 5, 7, 1)
    batch = torch.arange(len(clip), device=clip.device)[:, None]
    return blocks[batch, index[..., 0], index[..., 1], index[..., 2]].flatten(2)


def pictures(tokenizer: CoordTok, patches: Tensor) -> Tensor:
    """Patches `[B, N, P]` of `consecutive` places as pictures `[B, 3, F, H, W]`."""
    _, rows, columns = tokenizer.config.decoder.grid(tokenizer.size)
    shape = (-1, rows, columns), (*tokenizer.config.decoder.patch, 3)
    blocks = patches.unflatten(2, shape[1]).unflatten(1, shape[0])
    return blocks.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)


def _places(numbers: Tensor, rows: int, columns: int) -> Tensor:
    """(slot, row, column) of places counted in that order."""
    return torch.stack((numbers // (rows * columns), numbers // columns % rows, numbers % columns), -1)
