"""The diffusion decoder: a pixel-space diffusion transformer over patches, conditioned on latents (One-DVA, arXiv 2602.04220).

Rectified flow between noise around the base picture and the clip: z_t = base + t (clip - base) + (1 - t) sigma noise,
t from 0 (all noise) to 1 (the clip), sigma = `NOISE` x step, about the size of what the base lacks. (One-DVA starts from unit
noise around zero; where a base is known, noise of that size would only hide it. Our choice.) The network gives x, the clip; the
loss is that of the velocity. At t = 0 the noisy input holds nothing and is left out, so that one step is deterministic and the
conditional mean.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vtc.tokenizers.contract import Context
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_SIZE, PATCH_TIME, patchify
from vtc.tokenizers.layers.transformer import Block, RMSNorm, fourier, rotary
from vtc.tokenizers.layers.zero import zeroed

NOISE = 0.1
SIDE_CHANNELS = 3
"""Of what is told of the tokens, where there is no base layer that tells more."""
_CACHED_PIXELS = 320 * 240  # of frames that go through the convolutions together on a CPU
_PIXEL_CHANNELS = 12  # of the map that the transformer hands to the convolutions, at half size
_SHIFTED = 8  # one channel in so many is of the frame before, another of the frame after


@dataclass(frozen=True)
class DiffusionConfig:
    """Transformer of `depth` blocks; un-patchifier of `blocks` residual blocks of `channels` at half size.

    With `inner_channels`, the un-patchifier is a U-Net: between the first half of these blocks and the others lie `inner_blocks` residual
    blocks of `inner_channels` at quarter size. With `shift`, the blocks of the smallest size see some channels of the frames beside theirs
    (TSM, arXiv 1811.08383).
    """

    width: int = 192
    heads: int = 4
    depth: int = 4
    channels: int = 48
    blocks: int = 4
    inner_channels: int = 0
    inner_blocks: int = 0
    shift: bool = False


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.two = zeroed(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor, seen: Tensor | None = None) -> Tensor:
        """`seen`: what the convolutions see, where that is not x."""
        return self.two(F.relu(self.one(x if seen is None else seen), inplace=True)).add_(x)


class Unpatchifier(nn.Module):
    """Long skip + linear + pixel shuffle + convolutions (One-DVA's, the last convolution grown to a small stack).

    Works at half size, or half and quarter, on each frame with both its neighbours in the base picture; the output is added to the base.
    """

    def __init__(self, config: DiffusionConfig, side: int) -> None:
        super().__init__()
        half, inner = PATCH_TIME * (PATCH_SIDE // 2) ** 2, config.inner_channels
        self.shift = config.shift
        self.linear = nn.Linear(config.width, half * _PIXEL_CHANNELS)
        self.inward = nn.Conv2d(36 + 12 + side + 1 + _PIXEL_CHANNELS, config.channels, 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(config.channels) for _ in range(config.blocks))
        self.down = nn.Conv2d(config.channels, inner, 2, stride=2) if inner else None
        self.inner = nn.ModuleList(ResidualBlock(inner) for _ in range(config.inner_blocks if inner else 0))
        self.up = nn.Conv2d(inner, 4 * config.channels, 1) if inner else None
        self.outward = zeroed(nn.Conv2d(config.channels, 12, 3, padding=1))
        self.before = (config.blocks + 1) // 2 if inner else 0  # blocks at half size ahead of those of the smallest size

    def forward(self, hidden: Tensor, base: Tensor, noisy: Tensor | None, side: Tensor, level: Tensor) -> Tensor:
        """`hidden [B, S, gh, gw, width]`, `base` and `noisy` (noise around the base in units of sigma, None: none) `[B, 3, T, H, W]`,
        `side [B, C, S, gh, gw]`, `level [B]`; returns what is to be added to the base, `[B, 3, T, H, W]`, in units of the step."""
        b, _, t, h, w = base.shape
        s, gh, gw = hidden.shape[1:4]
        dtype, grid = hidden.dtype, (s, PATCH_TIME, gh, 8, gw, 8)
        frames = _half_size(base.to(dtype))
        repeated = torch.cat((frames[:, :1], frames, frames[:, -1:]), 1)
        before, frames, after = repeated[:, :-2], repeated[:, 1:-1], repeated[:, 2:]
        told = (
            torch.cat((side, level.view(-1, 1, 1, 1, 1).expand(-1, 1, s, gh, gw)), 1).to(dtype).permute(0, 2, 3, 4, 1)
        )
        told = told[:, :, None, :, None, :, None].expand(b, *grid, -1)
        maps = (
            self.linear(hidden).reshape(b, s, gh, gw, _PIXEL_CHANNELS, PATCH_TIME, 8, 8).permute(0, 1, 5, 2, 6, 3, 7, 4)
        )
        seen = (
            [before, frames, after, told, maps]
            if noisy is None
            else [before, frames, after, _half_size(noisy), told, maps]
        )
        pictures = [channels.reshape(b * t, h // 2, w // 2, channels.shape[-1]) for channels in seen]
        # What no gradient needs goes through the convolutions in parts that stay in a core's cache.
        whole = base.is_cuda or torch.is_grad_enabled()
        size = b * t if whole else max(1, _CACHED_PIXELS // (h * w))
        smallest = self.inner if self.down is not None else self.blocks
        if not self.shift:

            def added(*part: Tensor) -> Tensor:
                x = self._enter(*part)
                y = self._shrunk(x)
                for block in smallest:
                    y = block(y)
                return self._leave(x, y)

            out = _in_parts(size, added, *pictures)
        else:  # every block needs all frames of the one before
            x = _in_parts(size, self._enter, *pictures)
            y = _in_parts(size, self._shrunk, x)
            for block in smallest:
                y = _in_parts(size, block, y, shifted(y, t))
            out = _in_parts(size, self._leave, x, y)
        return out.unflatten(0, (b, t)).transpose(1, 2)

    def _enter(self, *pictures: Tensor) -> Tensor:
        """What is seen of frames, each `[N, H/2, W/2, C]`, to the map that the blocks of the smallest size start from, at half size."""
        seen, weight = torch.cat(pictures, -1), self.inward.weight
        if seen.shape[-1] != weight.shape[1]:  # channels of noise that hold nothing need not be multiplied
            weight = torch.cat((weight[:, :36], weight[:, 48:]), 1)
        x = F.conv2d(seen.permute(0, 3, 1, 2), weight, self.inward.bias, padding=1)
        for block in self.blocks[: self.before]:
            x = block(x)
        return x

    def _shrunk(self, x: Tensor) -> Tensor:
        return x if self.down is None else self.down(x)

    def _leave(self, x: Tensor, y: Tensor) -> Tensor:
        """From the map at half size and that of the smallest size to what is added to frames, `[N, 3, H, W]`."""
        if self.up is None:
            x = y
        else:
            x = F.pixel_shuffle(self.up(y), 2).add_(x)
            for block in self.blocks[self.before :]:
                x = block(x)
        return F.pixel_shuffle(self.outward(F.relu(x)), 2)


def _in_parts(size: int, work: Callable[..., Tensor], *maps: Tensor) -> Tensor:
    """`work` on `size` frames of all `maps` at a time."""
    if size >= len(maps[0]):
        return work(*maps)
    return torch.cat([work(*part) for part in zip(*(m.split(size) for m in maps), strict=True)])


def shifted(x: Tensor, frames: int) -> Tensor:
    """Maps `[B frames, C, H, W]` with some channels of the frame before and some of the frame after; the ends have their own in place of
    what is not there."""
    part = x.shape[1] // _SHIFTED
    clips = x.permute(0, 2, 3, 1).unflatten(0, (-1, frames))
    one, two = clips[..., :part], clips[..., part : 2 * part]
    before, after = torch.cat((one[:, :1], one[:, :-1]), 1), torch.cat((two[:, 1:], two[:, -1:]), 1)
    return torch.cat((before, after, clips[..., 2 * part :]), -1).flatten(0, 1).permute(0, 3, 1, 2)


def _half_size(clip: Tensor) -> Tensor:
    """`[B, 3, T, H, W]` to `[B, T, H/2, W/2, 12]`: pixels of 2x2 as channels (pixel unshuffle)."""
    frames = clip.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
    return F.pixel_unshuffle(frames, 2).permute(0, 2, 3, 1).unflatten(0, (len(clip), -1))


class DiffusionDecoder(nn.Module):
    """DiT over patches with the latents in its context; adaLN on the timestep and the step (one shared map, adaLN-single)."""

    def __init__(self, config: DiffusionConfig, side: int = SIDE_CHANNELS) -> None:
        """`side`: channels of the context's."""
        super().__init__()
        self.config = config
        width = config.width
        self.base_in = nn.Linear(PATCH_SIZE, width)
        self.noisy_in = zeroed(nn.Linear(PATCH_SIZE, width, bias=False))
        self.side_in = nn.Linear(side, width, bias=False)
        self.condition = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), zeroed(nn.Linear(width, 6 * width)))
        self.per_block = nn.Parameter(torch.zeros(config.depth, 6, width))
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.norm = RMSNorm(width)
        self.unpatchifier = Unpatchifier(config, side)

    def forward(self, z: Tensor | None, t: Tensor, tokens: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """The clean clip `[B, 3, T, H, W]` (float32) seen in `z` at times `t [B]`, and the hidden state of the middle block for
        alignment. `z` may be None where all times are 0.

        `tokens [B, K, width]`: embedded latents. The long skip is the best linear guess of the clip from `z`, were what the base lacks
        white and of size sigma; the network adds the rest, at the size that this rest has at time t (EDM, arXiv 2206.00364).
        """
        base, side = context.base, context.side
        assert base is not None and side is not None
        dtype = tokens.dtype
        level = torch.log2(context.step)
        patches = patchify(base.to(dtype))
        _, *sizes, _ = patches.shape
        grid = (sizes[0], sizes[1], sizes[2])
        x = self.base_in(patches) + self.side_in(side.to(dtype).permute(0, 2, 3, 4, 1))
        step, at = (values.view(-1, 1, 1, 1, 1) for values in (context.step, t))
        spread = at.square() + (1 - at).square()
        noisy, start = None, base
        if z is not None:
            noisy = torch.where(at > 0, (z - base) / (NOISE * step), 0.0)
            start = base + noisy * NOISE * step * at / spread
            noisy = noisy.to(dtype)
            x = x + self.noisy_in(patchify(noisy))
        x = torch.cat((x.flatten(1, 3), tokens), 1)
        rotation = rotary(grid, tokens.shape[1], self.config.width // self.config.heads, x.device)
        features = torch.cat((fourier(8 * t, self.config.width), fourier(level, self.config.width)), -1)
        shared = self.condition(features.to(dtype)).unflatten(-1, (6, -1))
        middle = x
        for i, block in enumerate(self.blocks):
            x = block(x, rotation, shared + self.per_block[i].to(dtype))
            if i == len(self.blocks) // 2:
                middle = x
        n = grid[0] * grid[1] * grid[2]
        hidden = self.norm(x[:, :n]).unflatten(1, grid)
        added = self.unpatchifier(hidden, base, noisy, side, level)
        return added.float().mul_(step * (1 - at) / spread.sqrt()).add_(start), middle[:, :n]

    def sample(self, tokens: Tensor, context: Context, steps: int, noise: Tensor | None) -> Tensor:
        """Euler's method over `steps` equal steps; `noise` is needed for more than one."""
        base = context.base
        assert base is not None
        z, _ = self(None, torch.zeros(len(base), device=base.device), tokens, context)
        if steps == 1:
            return z
        assert noise is not None
        start = base + noise * (NOISE * context.step).view(-1, 1, 1, 1, 1)
        z = start + (z - start) / steps
        for i in range(1, steps):
            clean, _ = self(z, torch.full((len(base),), i / steps, device=base.device), tokens, context)
            z = z + (clean - z) / (steps - i)
        return z


def timesteps(count: int, full_noise: float, generator: torch.Generator, device: torch.device) -> Tensor:
    """Training times `[count]`: thick-tailed logit-normal(0, 1), a share `full_noise` of them exactly 0 (One-DVA: 10 %)."""
    t = torch.sigmoid(torch.randn(count, generator=generator, device=device))
    tail = torch.rand(count, generator=generator, device=device) < full_noise
    return torch.where(tail, 0.0, t)
