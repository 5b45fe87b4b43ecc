"""Transformer blocks with rotary positions, for sequences that mix patch tokens of a grid with tokens that have no place."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vtc.tokenizers.layers.zero import zeroed

Rotation = tuple[Tensor, Tensor]


def rotary(grid: tuple[int, int, int], free: int, head_dim: int, device: torch.device) -> Rotation:
    """Cosines and sines `[N, head_dim / 2]` of axial 3D rotary embedding (RoPE) for a grid (time, rows, columns) of tokens, any size.

    `free` tokens without a place follow the grid and are not turned. `head_dim` is a multiple of 6: a third of it for each axis.
    """
    per_axis = head_dim // 6
    frequencies = 100.0 ** (-torch.arange(per_axis, device=device) / per_axis)
    axes = torch.meshgrid(*(torch.arange(n, device=device) for n in grid), indexing="ij")
    angles = torch.cat([axis.reshape(-1, 1) * frequencies for axis in axes], 1)
    angles = F.pad(angles, (0, 0, 0, free))
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotation: Rotation) -> Tensor:
    """Turn pairs of channels of `[B, heads, N, head_dim]` by the angles of their token's place."""
    cos, sin = (r.to(x.dtype) for r in rotation)
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), -1)


class RMSNorm(nn.RMSNorm):
    """RMSNorm whose weight follows its input's type, so that the fused kernel runs under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        """`[..., width]` to the same."""
        return F.rms_norm(x, self.normalized_shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Multi-head self-attention with normalised queries and keys (QK-norm) and rotary positions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_norm = RMSNorm(width // heads)
        self.k_norm = RMSNorm(width // heads)
        self.out = zeroed(nn.Linear(width, width, bias=False))

    def forward(self, x: Tensor, rotation: Rotation) -> Tensor:
        """`[B, N, width]` to the same."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = rotate(self.q_norm(q), rotation), rotate(self.k_norm(k), rotation)
        mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v)
        return self.out(mixed.transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Pre-norm transformer block; outputs start at zero. With `modulation` (adaLN) its norms are scaled, shifted and gated."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = RMSNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), zeroed(nn.Linear(4 * width, width))
        )

    def forward(self, x: Tensor, rotation: Rotation, modulation: Tensor | None = None) -> Tensor:
        """`x [B, N, width]`; `modulation [B, 6, width]`: (shift, scale, gate) of attention, then of the MLP."""
        if modulation is None:
            x = x + self.attention(self.attention_norm(x), rotation)
            return x + self.mlp(self.mlp_norm(x))
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = modulation[:, :, None].unbind(1)
        x = x + (1 + gate_a) * self.attention(self.attention_norm(x) * (1 + scale_a) + shift_a, rotation)
        return x + (1 + gate_m) * self.mlp(self.mlp_norm(x) * (1 + scale_m) + shift_m)


def fourier(values: Tensor, width: int) -> Tensor:
    """Sine features of numbers, `[...]` to `[..., width]`; made for values from about -8 to 8."""
    frequencies = torch.exp(torch.linspace(-2.0, 4.0, width // 2, device=values.device))
    angles = values.float()[..., None] * frequencies
    return torch.cat((angles.cos(), angles.sin()), -1)
