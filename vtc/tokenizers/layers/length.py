"""Variable length: how many 1D latents a clip keeps, from its motion.

One-DVA: a heuristic from pixel differences; the formula is our choice.
"""

import torch
from torch import Tensor

_PAIRS = 4  # of frames that are compared at once


def motion_score(clip: Tensor) -> Tensor:
    """Log of the mean over consecutive frame pairs of the per-pixel RGB distance; `[B, 3, T, H, W]` in [-1, 1] to `[B]`.

    CoordTok's dynamics magnitude (arXiv 2411.14762), which falls with reconstruction quality at r = -0.87 there.
    """
    frames = clip.shape[2]
    distances = []
    for start in range(0, frames - 1, _PAIRS):  # differences of a whole clip are more memory than the clip
        part = clip[:, :, start : start + _PAIRS + 1]
        distances.append((part[:, :, 1:] - part[:, :, :-1]).square_().sum(1).sqrt_().mean((2, 3)))
    return torch.log(torch.cat(distances, 1).mean(1).clamp_min(1e-4))


def motion_length(score: Tensor, centre: float, spread: float, least: int, most: int) -> Tensor:
    """Kept tokens `[B]` (int64), a monotone map of the score: `least` + (`most` - `least`) sigmoid(1.5 (score - centre) / spread)."""
    share = torch.sigmoid(1.5 * (score - centre) / spread)
    return (least + (most - least) * share).round().long()


def training_length(rule: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Lengths to train with: three times of four around the rule's (spread of an eighth of `most`), else uniform in 0..`most`."""
    b, device = rule.shape, rule.device
    near = rule + torch.randn(b, generator=generator, device=device) * most / 8
    uniform = torch.rand(b, generator=generator, device=device) * (most + 1)
    pick = torch.rand(b, generator=generator, device=device) < 0.75
    return torch.where(pick, near.round(), uniform.floor()).clamp(0, most).long()


def cut(tokens: Tensor, lengths: Tensor) -> Tensor:
    """Set the tail of `[B, K, C]` to zero beyond `lengths [B]`."""
    keep = torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]
    return tokens * keep[..., None]
