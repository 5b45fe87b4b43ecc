"""How finely each token is coded: finer where later slices will show it again.

What is coded finely once need not be coded again where nothing changes, and every slice that leans on it shows it. So before a segment is
coded, the source is looked at some segments ahead: how much of each token is there in the slice before, displaced, and from the end
backwards what each token passes on (x264's macroblock tree, Garrett-Glaser 2009; here for tokens of four frames, with the energies
of differences in place of its costs). A token that n slices live on weighs 1 + n times; its step falls with the root of that.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vtc.tokenizers import motion
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME
from vtc.tokenizers.steps import FINEST, PER_OCTAVE

HORIZON = 4
"""Segments that are looked at, the one to be coded among them."""

_WEIGHT = 0.37
"""Of the tree: 0.5 would be right if all that a token passes on were seen as it is. Chosen on training clips, as the next."""
_STILL = 1.02
"""A vector must leave less than this part of what no motion leaves."""
_PIXELS = PATCH_TIME / len(motion.SEARCH_FRAMES) * 3  # squares of luma in two frames stand for all of a token's


@dataclass(frozen=True)
class Sight:
    """What the tokens of a segment show before anything is coded: energies float `[S, gh, gw]` in numbers of 0..255, `alone` about their
    mean and `leaning` about the slice before, displaced by `vectors` `[S, gh, gw, 2]`; `last`: its last frame uint8 `[3, H, W]`."""

    alone: Tensor
    leaning: Tensor
    vectors: Tensor
    last: Tensor


@torch.no_grad()
def look(pixels: Tensor, before: Sight | None) -> Sight:
    """What a segment uint8 `[3, T, H, W]` shows, after the one `before` in its group."""
    last, rows = None if before is None else before.last, []
    for part in pixels.split(PATCH_TIME, 1):
        rows.append(_look(part, last))
        last = part[:, -1]
    alone, leaning, vectors = (torch.stack(column).cpu() for column in zip(*rows))
    return Sight(alone, leaning, vectors, pixels[:, -1].clone())


def _look(frames: Tensor, last: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """The same for one slice `[3, 4, H, W]` after a frame `[3, H, W]`."""
    seen = motion.luma(frames[:, list(motion.SEARCH_FRAMES)])
    tokens = seen.unflatten(2, (-1, PATCH_SIDE)).unflatten(1, (-1, PATCH_SIDE)).permute(1, 3, 0, 2, 4).float()
    alone = _energy(tokens - tokens.mean((2, 3, 4), keepdim=True))
    still = torch.zeros((*alone.shape, 2), dtype=torch.int64, device=frames.device)
    if last is None:
        return alone, alone, still
    last_luma = motion.luma(last)
    doubled = motion.double(last_luma[None])
    vectors = motion.search(seen, last_luma, doubled)
    moved, stayed = (
        _energy(tokens - motion.fetch(doubled, v, motion.SEARCH_FRAMES)[:, :, 0]) for v in (vectors, still)
    )
    stays = stayed <= _STILL * moved
    return alone, torch.where(stays, stayed, moved), torch.where(stays[..., None], still, vectors)


def _energy(tokens: Tensor) -> Tensor:
    return tokens.square().sum((2, 3, 4)) * _PIXELS


@torch.no_grad()
def finer(sights: Sequence[Sight], step: float) -> Tensor:
    """int16 `[S, gh, gw]`: how much finer (steps.py) than `step` the tokens of the first of `sights` are to be coded, in view of those
    behind it in their group."""
    alone, leaning, vectors = (
        torch.cat([getattr(sight, name) for sight in sights]) for name in ("alone", "leaning", "vectors")
    )
    passed = passed_on(alone, leaning, vectors, step)[: len(sights[0].alone)]
    return (PER_OCTAVE * _WEIGHT * torch.log2(1 + passed)).round().clamp(0, FINEST).to(torch.int16)


def of_group(segments: Iterable[Tensor], step: float) -> Iterator[Tensor]:
    """`finer` of each of the segments uint8 `[3, T, H, W]` that make a group."""
    sights: list[Sight] = []
    for pixels in segments:
        sights.append(look(pixels, sights[-1] if sights else None))
    for number in range(len(sights)):
        yield finer(sights[number : number + HORIZON], step)


def passed_on(alone: Tensor, leaning: Tensor, vectors: Tensor, step: float) -> Tensor:
    """float `[S, gh, gw]`: how many tokens of later slices live on each. Of a token, that part is passed on which the slice before has
    already: one less the bits of `leaning` by those of `alone`, bits being about log2(1 + energy / step^2)."""
    bits = [torch.log2(1 + energy / (127.5 * step) ** 2) for energy in (leaning, alone)]
    share = (1 - bits[0] / bits[1].clamp(min=1e-3)).clamp(0, 1)
    passed = torch.zeros_like(alone)
    height, width = alone.shape[1:]
    rows, columns = torch.arange(height, device=alone.device)[:, None], torch.arange(width, device=alone.device)
    for number in range(len(alone) - 1, 0, -1):
        # The mean displacement of the four frames is 5/8 of the vector; a token is 32 half pixels. Its amount falls to the four tokens
        # around the place that it comes from.
        y = (rows - vectors[number, ..., 0] * 5 / 256).clamp(0, height - 1)
        x = (columns - vectors[number, ..., 1] * 5 / 256).clamp(0, width - 1)
        amount = (1 + passed[number]) * share[number]
        top, left = y.floor(), x.floor()
        for down in (0, 1):
            for across in (0, 1):
                part = (1 - (y - top - down).abs()) * (1 - (x - left - across).abs()) * amount
                place = (top + down).clamp(max=height - 1) * width + (left + across).clamp(max=width - 1)
                passed[number - 1].view(-1).index_add_(0, place.long().flatten(), part.flatten())
    return passed
