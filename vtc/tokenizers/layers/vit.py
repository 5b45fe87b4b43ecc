"""The plain vision transformer (arXiv 2010.11929): layer norms, learned positions outside, attention over one or two sequences."""

import torch.nn.functional as F
from torch import Tensor, nn

from vtc.tokenizers.layers.zero import zeroed


class Attention(nn.Module):
    """Multi-head attention of a sequence to itself or to a memory. One weight holds queries, keys and values, in that order."""

    def __init__(self, width: int, heads: int, qkv_bias: bool = True, out_bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
        self.proj = zeroed(nn.Linear(width, width, bias=out_bias))

    def forward(self, x: Tensor, memory: Tensor | None = None, key_bias: Tensor | None = None) -> Tensor:
        """`x [B, N, width]` attends to `memory [B, M, width]` (None: to itself). `key_bias [B, M]` is added to the logits of the keys."""
        if memory is None:
            q, k, v = self.qkv(x).chunk(3, -1)
        else:
            width = x.shape[-1]
            weight, bias = self.qkv.weight, self.qkv.bias
            q = F.linear(x, weight[:width], None if bias is None else bias[:width])
            k, v = F.linear(memory, weight[width:], None if bias is None else bias[width:]).chunk(2, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in (q, k, v))
        added = None if key_bias is None else key_bias[:, None, None].to(q.dtype)
        mixed = F.scaled_dot_product_attention(q, k, v, added)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Sequential):
    """Four times as wide inside, exact GELU; starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(width, 4 * width), nn.GELU(), zeroed(nn.Linear(4 * width, width)))


class ViTBlock(nn.Module):
    """Pre-norm block; outputs start at zero."""

    def __init__(self, width: int, heads: int, qkv_bias: bool = True, eps: float = 1e-5) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps)
        self.attn = Attention(width, heads, qkv_bias)
        self.norm2 = nn.LayerNorm(width, eps)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor) -> Tensor:
        """`[B, N, width]` to the same."""
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))
