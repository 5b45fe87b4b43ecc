"""Flow matching of a diffusion decoder over a base picture that the tokenizer paints itself; shared by VTok, CoordTok and DeRA."""

import math

import torch
from torch import Generator, Tensor

from vtc.tokenizers.contract import Context
from vtc.tokenizers.diffusion import NOISE, DiffusionDecoder, timesteps

FULL_NOISE = 0.85
"""Most of training is for one step, the default decode."""
LEAST_REST, ERROR_FLOOR = 0.1, 4e-4
"""As in One-DVA: 1 - t in the weight of the velocity loss, and the error (40 dB) against which clips are weighed."""


def weight_of(base: Tensor, clip: Tensor) -> Tensor:
    """What the squared error of each clip `[B, 3, T, H, W]` counts, `[B]`: relative to that of its base picture."""
    return 1 / ((base.detach() - clip).square().mean((1, 2, 3, 4)) + ERROR_FLOOR)


def flow(decoder: DiffusionDecoder, clip: Tensor, tokens: Tensor, context: Context, generator: Generator) -> tuple[Tensor, Tensor]:
    """The loss of the velocity at random times, and how much better than the base picture one step is, in dB (0 where none was drawn)."""
    base = context.base
    assert base is not None
    t = timesteps(len(clip), FULL_NOISE, generator, clip.device)
    at, sigma = t.view(-1, 1, 1, 1, 1), (NOISE * context.step).view(-1, 1, 1, 1, 1)
    noise = torch.randn(clip.shape, generator=generator, device=clip.device)
    clean, _ = decoder(base + at * (clip - base) + (1 - at) * sigma * noise, t, tokens, context)
    error = (clean - clip).square().mean((1, 2, 3, 4)) * weight_of(base, clip)
    one = (t == 0).float()
    gain = (error.log() * one).sum() / one.sum().clamp_min(1) * (-10 / math.log(10))
    return (error / (1 - t).clamp_min(LEAST_REST).square()).mean(), gain
