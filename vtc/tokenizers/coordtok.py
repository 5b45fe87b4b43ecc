"""CoordTok (arXiv 2411.14762; public code huiwon-jang/CoordTok): a clip as three planes of latents, read at coordinates.

A ViT reads the clip in tubelets; learned plane tokens attend to it and become the planes xy (row, column), yt (time, column) and
xt (time, row). In CoordTok x is the row and y is the column. The coordinate decoder reads the planes.

`official` is the published size and computes what the public code does. The other sizes add, all of it ours: linear paths beside encoder
and decoder that start as KLTs (`LinearPlanes`); Fourier positions in the decoder, which take any coordinate; larger patches; planes with
channels of their own number; the quantiser's step told to the decoder.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from math import isqrt

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vtc.tokenizers.base import STEP_EDGES
from vtc.tokenizers.contract import Context, DecodeOptions, Latents, Lengths, Query, Stream, Tokenizer
from vtc.tokenizers.coordinate import CoordinateConfig, CoordinateDecoder, sampled, whole
from vtc.tokenizers.diffusion import DiffusionConfig, DiffusionDecoder
from vtc.tokenizers.layers.patch import as_float
from vtc.tokenizers.layers.transformer import fourier
from vtc.tokenizers.layers.vit import Attention, Mlp, ViTBlock
from vtc.tokenizers.layers.zero import zeroed
from vtc.tokenizers.lookup import PlaneLookup, PlaneReader
from vtc.tokenizers.planes import LinearPlanes, Planes

NAMES = ("plane_xy", "plane_yt", "plane_xt")
PLANE_BOUND = 511
CLASSES = 12
PIECE = 32  # frames of a clip that become tubelets at once


@dataclass(frozen=True)
class CoordTokConfig:
    """Sizes; frames are square. Tubelets of `tubelet_time` x `tubelet_side`^2 pixels enter a ViT of `patch_depth` blocks. Planes have
    `plane_time` and `plane_side` cells along their axes; `latent_time` x `latent_side` (x `latent_side`) cells make a token of the
    `depth` latent layers. `features`: channels of xy, and of yt and xt. `linear`: with the linear paths and what goes with them.
    `dead_zone`: what a symbol loses of its size before it is rounded, so that zeros, which cost little, are more.
    `diffusion`: a second decoder, where there is one."""

    clip_frames: int = 128
    side: int = 128
    width: int = 144
    heads: int = 3
    patch_depth: int = 2
    depth: int = 2
    tubelet_time: int = 8
    tubelet_side: int = 16
    plane_time: int = 32
    plane_side: int = 16
    latent_time: int = 8
    latent_side: int = 4
    features: tuple[int, int] = (64, 48)
    linear: bool = True
    dead_zone: float = 0.17
    decoder: CoordinateConfig = field(default_factory=lambda: CoordinateConfig(points=512))
    diffusion: DiffusionConfig | None = None

    def planes(self) -> tuple[tuple[int, int, int], ...]:
        """First axis, second axis and channels of the three planes."""
        own, shared = self.features
        time = self.plane_time, self.plane_side, shared
        return (self.plane_side, self.plane_side, own), time, time

    def patches(self) -> tuple[tuple[int, int], ...]:
        """Cells of a latent token along both axes, by plane."""
        time = self.latent_time, self.latent_side
        return (self.latent_side, self.latent_side), time, time


PRESETS = {
    "tiny": CoordTokConfig(),
    "small": CoordTokConfig(
        width=384,
        heads=6,
        patch_depth=4,
        depth=6,
        decoder=CoordinateConfig(width=384, heads=6, depth=8, patch_time=4, patch_side=8),
    ),
    "base": CoordTokConfig(
        width=768,
        heads=12,
        patch_depth=8,
        depth=12,
        decoder=CoordinateConfig(width=768, heads=12, depth=12, patch_time=4, patch_side=8),
    ),
    "official": CoordTokConfig(
        width=1024,
        heads=16,
        patch_depth=8,
        depth=24,
        latent_time=16,
        latent_side=8,
        features=(8, 8),
        linear=False,
        dead_zone=0.0,
        decoder=CoordinateConfig(width=1024, heads=16, depth=24, patch_time=1, patch_side=8, places="table"),
    ),
}

DIFFUSION_SIZES = {
    "tiny": DiffusionConfig(width=48, heads=2, depth=1, channels=24, blocks=3),
    "small": DiffusionConfig(width=384, heads=8, depth=8, channels=64, blocks=6),
    "base": DiffusionConfig(width=576, heads=12, depth=12, channels=96, blocks=8),
}
"""Of the diffusion decoder, where a recipe asks for it. That of `tiny` fits into what its bundle leaves of 16 MiB."""


class VideoEncoder(nn.Module):
    """A ViT over tubelets, with a class token that no one reads."""

    def __init__(self, config: CoordTokConfig) -> None:
        super().__init__()
        width, time, side = config.width, config.tubelet_time, config.tubelet_side
        count = (config.clip_frames // time) * (config.side // side) ** 2
        self.piece = max(1, PIECE // time) * time
        self.patch_in = nn.Conv3d(3, width, (time, side, side), (time, side, side))
        self.class_token = nn.Parameter(torch.randn(width) * 0.02)
        self.places = nn.Parameter(torch.randn(count, width) * 0.02)
        self.blocks = nn.ModuleList(ViTBlock(width, config.heads, qkv_bias=False) for _ in range(config.patch_depth))
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, clip: Tensor) -> Tensor:
        """`[B, 3, T, H, W]`, float in [-1, 1] or uint8, to tokens `[B, N, width]`, time slowest, then rows, then columns."""
        # Piece by piece, and again for the gradient: then a step of training holds few pixels as floats, however long the clips are.
        embed = partial(checkpoint, self._tubelets, use_reentrant=False) if torch.is_grad_enabled() else self._tubelets
        x = torch.cat([torch.cat([embed(part) for part in one.split(self.piece, 2)], 1) for one in clip.split(1)])
        x = x + self.places
        x = torch.cat((self.class_token.to(x.dtype).expand(len(x), 1, -1), x), 1)
        for block in self.blocks:
            x = block(x)
        return self.norm(x[:, 1:])

    def _tubelets(self, clip: Tensor) -> Tensor:
        return self.patch_in(as_float(clip).to(self.places.dtype)).flatten(2).mT


class LatentLayer(nn.Module):
    """Cross-attention to the video, self-attention over the tokens of all planes, MLP; no bias in either attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.cross_attn = Attention(width, heads, qkv_bias=False, out_bias=False)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.self_attn = Attention(width, heads, qkv_bias=False, out_bias=False)
        self.norm3 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = Mlp(width)

    def forward(self, x: Tensor, video: Tensor, favoured: Tensor | None) -> Tensor:
        """Tokens `[B, K, width]`, video `[B, N, width]` as it is, and what is added to the logits of its tokens `[B, N]`."""
        x = x + self.cross_attn(self.norm1(x), video, favoured)
        x = x + self.self_attn(self.norm2(x))
        return x + self.mlp(self.norm3(x))


class PlaneTokens(nn.Module):
    """A plane cut into latent tokens and put together again."""

    def __init__(self, shape: tuple[int, int, int], patch: tuple[int, int], width: int, residual: bool) -> None:
        super().__init__()
        first, second, features = shape
        self.shape, self.patch = shape, patch
        self.count = (first // patch[0]) * (second // patch[1])
        # The public code takes the root of the count for both sides of the grid: on a grid that is not square, but whose count is,
        # cells change places, always the same way.
        self.side = isqrt(self.count)
        if self.side**2 != self.count:
            raise ValueError(f"a plane of {first}x{second} in tokens of {patch[0]}x{patch[1]}: their number is no square")
        self.plane = nn.Parameter(torch.randn(shape) * 0.02)
        self.inward = nn.Conv2d(features, width, patch, patch)
        outward = nn.Linear(width, patch[0] * patch[1] * features)
        self.outward = zeroed(outward) if residual else outward

    def tokens(self) -> Tensor:
        """The learned plane, the same for all clips, as tokens `[count, width]`."""
        return self.inward(self.plane.permute(2, 0, 1)[None])[0].flatten(1).mT

    def put_together(self, tokens: Tensor) -> Tensor:
        """Tokens `[B, count, width]` to a plane `[B, first, second, features]`."""
        down, across = self.patch
        cells = self.outward(tokens).unflatten(2, (down, across, -1)).unflatten(1, (self.side, self.side))
        return cells.transpose(2, 3).reshape(len(tokens), *self.shape)


class Encoder(nn.Module):
    """Clip to planes."""

    def __init__(self, config: CoordTokConfig) -> None:
        super().__init__()
        self.config = config
        self.video = VideoEncoder(config)
        self.video_places = nn.Parameter(torch.randn(self.video.places.shape) * 0.02)
        self.xy, self.yt, self.xt = (
            PlaneTokens(shape, patch, config.width, config.linear)
            for shape, patch in zip(config.planes(), config.patches())
        )
        self.layers = nn.ModuleList(LatentLayer(config.width, config.heads) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width, eps=1e-6)

    def forward(self, clip: Tensor, frames: Tensor | None = None) -> Planes:
        """Clip `[B, 3, T, H, W]` to planes. `frames` int64 `[B]`: how many are real, all of them where None.

        As in the public code, tubelets with padded frames are favoured by +1 in the logits of the cross-attention; its mask was meant
        to hide them. Public training fills padded frames with -3.
        """
        video = self.video(clip) + self.video_places
        favoured = None
        if frames is not None:
            time = self.config.tubelet_time
            tubelet = torch.arange(self.config.clip_frames // time, device=clip.device)
            padded = (tubelet >= (frames // time)[:, None]).to(video.dtype)
            favoured = padded.repeat_interleave(video.shape[1] // len(tubelet), 1)
        planes = self.xy, self.yt, self.xt
        x = torch.cat([plane.tokens() for plane in planes]).expand(len(clip), -1, -1)
        for layer in self.layers:
            x = layer(x, video, favoured)
        split = self.norm(x).split([plane.count for plane in planes], 1)
        xy, yt, xt = (plane.put_together(tokens) for plane, tokens in zip(planes, split))
        return xy, yt, xt


class CoordTok(Tokenizer):
    """Encoder, planes, coordinate decoder; a diffusion decoder beside it, where it is configured."""

    name = "coordtok"
    gain: Tensor

    def __init__(self, config: CoordTokConfig) -> None:
        super().__init__()
        self.config = config
        self.clip_frames, self.tile, self.base = config.clip_frames, (config.side, config.side), None
        self.size = config.clip_frames, config.side, config.side
        shapes = config.planes()
        if config.linear and config.decoder.grid(self.size) != (config.plane_time, config.plane_side, config.plane_side):
            raise ValueError("with linear paths, a patch of the decoder is as large as a cell of the planes")
        self.encoder = Encoder(config)
        lookup = PlaneLookup(config.decoder.width, sum(shape[2] for shape in shapes))
        self.decoder = CoordinateDecoder(config.decoder, lookup, config.decoder.grid(self.size), residual=config.linear)
        self.linear = LinearPlanes(self.size, shapes) if config.linear else None
        self.step_in = zeroed(nn.Linear(config.decoder.width, config.decoder.width)) if config.linear else None
        self.register_buffer("gain", torch.ones(3))  # of the planes at a step of 1
        self.decoders = ("coordinate",) if config.diffusion is None else ("coordinate", "diffusion")
        self.reader = PlaneReader(config.diffusion.width, shapes, config.patches()) if config.diffusion else None
        self.diffusion = DiffusionDecoder(config.diffusion) if config.diffusion else None

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The three planes, as grids with one token along the axis that a plane lacks."""
        c = self.config
        cell, slot = c.side // c.plane_side, c.clip_frames // c.plane_time
        strides = (c.clip_frames, cell, cell), (slot, c.side, cell), (slot, cell, c.side)
        return tuple(
            Stream(name, shape[2], PLANE_BOUND, "grid", classes=CLASSES, sides=len(STEP_EDGES) + 1, stride=stride)
            for name, shape, stride in zip(NAMES, c.planes(), strides)
        )

    def gains(self, step: float) -> dict[str, float]:
        return {name: float(gain) / step for name, gain in zip(NAMES, self.gain.tolist())}

    def lengths(self, clip: Tensor) -> Lengths:
        return {}

    def encode(self, clip: Tensor, context: Context) -> Latents:
        planes = self.unscaled(self.shrunk(self.scaled(self.planes(clip), context.step)), context.step)
        return {name: plane.flatten(1, 2) for name, plane in zip(NAMES, planes)}

    def scaled(self, planes: Planes, step: Tensor) -> Planes:
        """Planes in units of the step `[B]`, ready to be rounded."""
        xy, yt, xt = (plane * (gain / step).view(-1, 1, 1, 1) for plane, gain in zip(planes, self.gain.float()))
        return xy, yt, xt

    def unscaled(self, symbols: Planes, step: Tensor) -> Planes:
        """The inverse of `scaled`."""
        xy, yt, xt = (plane * (step / gain).view(-1, 1, 1, 1) for plane, gain in zip(symbols, self.gain.float()))
        return xy, yt, xt

    def shrunk(self, symbols: Planes) -> Planes:
        """Symbols made smaller by the dead zone."""
        xy, yt, xt = (plane.sign() * (plane.abs() - self.config.dead_zone).relu() for plane in symbols)
        return xy, yt, xt

    def planes(self, clip: Tensor, frames: Tensor | None = None) -> Planes:
        """The planes float32 of a clip, float in [-1, 1] or uint8. `frames`: see `Encoder`."""
        xy, yt, xt = (plane.float() for plane in self.encoder(clip, frames))
        if self.linear is None:
            return xy, yt, xt
        parts = [self.linear.analyse(one) for one in clip.split(1)]
        linear = [torch.cat(plane) for plane in zip(*parts)]
        return xy + linear[0], yt + linear[1], xt + linear[2]

    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        shapes = self.config.planes()
        xy, yt, xt = (latents[name].unflatten(1, shape[:2]) for name, shape in zip(NAMES, shapes))
        if options.decoder == "diffusion":
            assert self.diffusion is not None and self.reader is not None
            seen = replace(context, base=self.base_picture((xy, yt, xt)))
            tokens = self.reader(self.read((xy, yt, xt)))
            return self.diffusion.sample(tokens, seen, options.steps, options.noise).clamp(-1, 1)
        return self.paint((xy, yt, xt), context.step, options.query).clamp(-1, 1)

    def paint(self, planes: Planes, step: Tensor, query: Query | None = None) -> Tensor:
        """The clip, or what a query asks of it, from planes float32 that were quantised with `step [B]`; not clamped."""
        query = query or whole(self.size)
        read = self.read(planes)
        painted = self.decoder.paint(read, len(step), self.size, query, self.told(step))
        if self.linear is None:
            return painted
        cut, moved = self.linear.picture(planes, query)
        return painted + sampled(cut, moved)

    def base_picture(self, planes: Planes) -> Tensor:
        """What a diffusion decoder starts from, `[B, 3, T, H, W]`: the linear paths alone, grey without them."""
        if self.linear is None:
            return planes[0].new_zeros(len(planes[0]), 3, *self.size)
        return self.linear.picture(planes, whole(self.size))[0]

    def read(self, planes: Planes) -> Planes:
        """The planes as the decoder's network sees them: of about unit size where there are linear paths."""
        return planes if self.linear is None else self.linear.normalised(planes)

    def told(self, step: Tensor) -> Tensor | None:
        """What the decoder is told of the step `[B]`."""
        if self.step_in is None:
            return None
        return self.step_in(fourier(torch.log2(step), self.config.decoder.width).to(self.step_in.weight.dtype))
