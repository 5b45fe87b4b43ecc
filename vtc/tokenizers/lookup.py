"""What a coordinate decoder finds in the latents at a coordinate: in CoordTok's planes by bilinear interpolation; in tokens by
cross-attention, and in a picture that is there already the pixels of the place (both ours, so that every tokenizer can have this decoder).
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vtc.tokenizers.layers.vit import Attention


class PlaneLookup(nn.Module):
    """Features of three planes at a coordinate, by bilinear interpolation with aligned corners, joined and embedded."""

    def __init__(self, width: int, features: int) -> None:
        """`features`: channels of the three planes together."""
        super().__init__()
        self.embed = nn.Linear(features, width)

    def forward(self, planes: tuple[Tensor, Tensor, Tensor], places: Tensor, coordinates: Tensor) -> Tensor:
        """`[B, N, width]` from planes xy (row, column), yt (time, column), xt (time, row), each `[B, h, w, C]`."""
        t, x, y = coordinates.unbind(-1)
        xy, yt, xt = planes
        features = torch.cat((bilinear(xy, x, y), bilinear(yt, t, y), bilinear(xt, t, x)), -1)
        return self.embed(features.to(self.embed.weight.dtype)) + places


class TokenLookup(nn.Module):
    """Features of a sequence of tokens at a coordinate, by cross-attention from the coordinate's position vector."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.memory_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        nn.init.xavier_uniform_(self.attention.proj.weight)

    def forward(self, tokens: Tensor, places: Tensor, coordinates: Tensor) -> Tensor:
        """`[B, N, width]` from tokens `[B, K, width]`, which carry their own positions."""
        return places + self.attention(self.norm(places), self.memory_norm(tokens))


class PlaneReader(nn.Module):
    """Three planes as a sequence of tokens, for decoders that have no look-up of their own."""

    def __init__(
        self, width: int, shapes: Sequence[tuple[int, int, int]], patches: Sequence[tuple[int, int]]
    ) -> None:
        """`shapes` of the planes (first axis, second axis, channels), and the cells of a token along both axes."""
        super().__init__()
        convs = [nn.Conv2d(shape[2], width, patch, patch) for shape, patch in zip(shapes, patches)]
        self.xy, self.yt, self.xt = convs
        count = sum((shape[0] // patch[0]) * (shape[1] // patch[1]) for shape, patch in zip(shapes, patches))
        self.places = nn.Parameter(torch.randn(count, width) * 0.02)

    def forward(self, planes: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """`[B, K, width]` from planes xy, yt, xt, each `[B, h, w, C]`."""
        parts = zip((self.xy, self.yt, self.xt), planes)
        tokens = [conv(plane.to(self.places.dtype).permute(0, 3, 1, 2)).flatten(2).mT for conv, plane in parts]
        return torch.cat(tokens, 1) + self.places


class PictureLookup(nn.Module):
    """Features of a sequence of tokens, and of the patch that a first picture of the clip has at the coordinate."""

    def __init__(self, width: int, heads: int, patch: tuple[int, int, int]) -> None:
        super().__init__()
        self.patch = patch
        self.tokens = TokenLookup(width, heads)
        self.embed = nn.Linear(3 * patch[0] * patch[1] * patch[2], width)

    def forward(self, latents: tuple[Tensor, Tensor], places: Tensor, coordinates: Tensor) -> Tensor:
        """`[B, N, width]` from tokens `[B, K, width]` and the picture `[B, 3, T, H, W]`."""
        tokens, picture = latents
        own = patches_in(picture, coordinates, self.patch).to(places.dtype)
        return self.tokens(tokens, places, coordinates) + self.embed(own)


def bilinear(plane: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """`[B, N, C]` of a plane `[B, h, w, C]` at places `down` and `across` `[B, N]` in [0, 1], corners aligned."""
    b, h, w, c = plane.shape
    y, x = down * (h - 1), across * (w - 1)
    top, left = y.floor(), x.floor()
    flat = plane.reshape(b, h * w, c)

    def at(row: Tensor, column: Tensor) -> Tensor:
        index = row.clamp(0, h - 1) * w + column.clamp(0, w - 1)
        return flat.gather(1, index.long()[..., None].expand(-1, -1, c))

    dy, dx = (y - top)[..., None], (x - left)[..., None]
    upper = at(top, left) * (1 - dx) + at(top, left + 1) * dx
    lower = at(top + 1, left) * (1 - dx) + at(top + 1, left + 1) * dx
    return upper * (1 - dy) + lower * dy


def patches_in(picture: Tensor, coordinates: Tensor, patch: tuple[int, int, int]) -> Tensor:
    """The patches `[B, N, P]` of a clip `[B, 3, T, H, W]` at coordinates `[B, N, 3]` in [0, 1], trilinear between pixels, in the order of
    the coordinate decoder: frame, row, column, RGB."""
    b, n, _ = coordinates.shape
    last = torch.tensor([max(1, size - 1) for size in picture.shape[2:]], device=picture.device)
    room = torch.tensor([size - length for size, length in zip(picture.shape[2:], patch)], device=picture.device)
    inside = torch.cartesian_prod(*(torch.arange(length, device=picture.device) for length in patch))
    place = (coordinates * room)[:, :, None] + inside
    grid = (2 * place / last - 1).flip(-1)
    found = F.grid_sample(picture.float(), grid.view(b, n, -1, 1, 3), align_corners=True, padding_mode="border")
    return found[..., 0].permute(0, 2, 3, 1).flatten(2)
