"""Pictures to code, and how far two are apart."""

import torch
from torch import Tensor


def scene(frames: int, height: int = 64, width: int = 96, speed: int = 1) -> Tensor:
    """A smooth picture that pans, uint8 [3, frames, height, width]."""
    rough = torch.rand(1, 3, 20, 40, generator=torch.Generator().manual_seed(1))
    big = torch.nn.functional.interpolate(rough, (height * 2, width * 3), mode="bicubic")[0].mul(255).clamp(0, 255)
    return torch.stack([big[:, 8 : 8 + height, 8 + speed * t : 8 + speed * t + width] for t in range(frames)], 1).to(torch.uint8)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(10 * torch.log10(255**2 / (a.float() - b.float()).square().mean()))
