"""Figures that several objectives share."""

import torch
from torch import Tensor

LAGRANGIAN = 0.14
"""Weighs a bit of learned latents against squared error in units of step^2. (The base layer's encoder has a weight of its own.)"""


def logistic_bits(values: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of whole numbers (or noisy stand-ins) `[..., C]` under logistic distributions, summed over channels."""
    scale = log_scale.float().exp()
    mass = torch.sigmoid((values + 0.5) / scale) - torch.sigmoid((values - 0.5) / scale)
    return -torch.log2(mass.clamp_min(1e-6)).sum(-1)


def psnr(a: Tensor, b: Tensor) -> float:
    """dB of two clips in [-1, 1], from their mean squared error."""
    return float(10 * torch.log10(4 / (a.float() - b).square().mean().clamp_min(1e-9)))
