"""VTok (arXiv 2602.04202): the spatial tokens of one key frame, and R residual tokens for the frames after it.

Known from the paper: V = [V_key; v_2 ... v_T], where V_key are the S tokens of a spatial grid and v_t encodes F(x_t) - F(x_key), pooled;
S + (T - 1) tokens instead of S T; one token for several frames (6) as a variant; the first frame as key frame, a chosen one for a slight
gain. The paper feeds language models and reports no reconstruction: quantiser, pixel decoder and constants are ours.

`LinearKey` is the linear part of F and where training starts from. The networks add to it: a transformer over the patches of each frame
gives F, residual queries attend to F(x_t) - F(x_key) of their group. The decoder sees the linear painting as its base picture, and all
tokens.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vtc.tokenizers.base import STEP_EDGES
from vtc.tokenizers.contract import Context, DecodeOptions, Latents, Lengths, Query, Stream, Tokenizer
from vtc.tokenizers.coordinate import CoordinateConfig, CoordinateDecoder, sampled, whole
from vtc.tokenizers.diffusion import DiffusionConfig, DiffusionDecoder
from vtc.tokenizers.keyframe import Frames, LinearKey, groups_of, take
from vtc.tokenizers.layers.length import cut
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME, patchify
from vtc.tokenizers.layers.transformer import Block, RMSNorm, fourier, rotary
from vtc.tokenizers.layers.vit import Attention
from vtc.tokenizers.layers.zero import zeroed
from vtc.tokenizers.lookup import PictureLookup

SYMBOL_BOUND = 511
KEY_FINENESS = 1.6
"""The key frame is rounded that much finer than the rest: its errors are seen in all frames."""
FIELD_STEP = 0.25
"""Displacements are rounded with this step where it is finer: nothing is to be seen of less, and symbols stay within bounds."""
DEAD_ZONE = 0.6
"""Latents below this share of their step are rounded to nothing."""
LONGEST = 128
"""Most frames of a clip."""
STILL = 0.01
"""RGB distance to the key frame, in a picture in [-1, 1], below which a group of frames needs no tokens."""


@dataclass(frozen=True)
class VTokConfig:
    """Sizes; frames are `side` x `side`. `key_channels` a key token. `residuals` (R) tokens of `residual_channels` for every group of
    `group` later frames, of which the length rule keeps none to all. `key_frame`: first, or best (nearest to the mean feature)."""

    clip_frames: int = 32
    side: int = 128
    width: int = 192
    heads: int = 4
    depth: int = 2
    key_frame: str = "best"
    key_channels: int = 128
    group: int = 4
    residuals: int = 16
    residual_channels: int = 32
    rest_channels: int = 64
    classes: int = 18
    coordinate: CoordinateConfig | None = None
    decoder: DiffusionConfig = field(default_factory=lambda: DiffusionConfig(depth=3, channels=32, blocks=3))

    @property
    def groups(self) -> int:
        """Groups of later frames in a clip."""
        return groups_of(self.clip_frames, self.group)

    @property
    def spatial(self) -> int:
        """Tokens of the key frame (S)."""
        return (self.side // PATCH_SIDE) ** 2


PRESETS = {
    "tiny": VTokConfig(),
    "small": VTokConfig(
        width=384, heads=8, depth=4, key_channels=192, decoder=DiffusionConfig(width=384, heads=8, depth=8, channels=64, blocks=6)
    ),
    "base": VTokConfig(
        width=576, heads=12, depth=6, key_channels=256, decoder=DiffusionConfig(width=576, heads=12, depth=12, channels=96, blocks=8)
    ),
}

COORDINATE_SIZES = {
    "tiny": CoordinateConfig(depth=2),
    "small": CoordinateConfig(width=384, heads=6, depth=8),
    "base": CoordinateConfig(width=768, heads=12, depth=12),
}
"""Of the coordinate decoder, where a recipe asks for it."""


class Encoder(nn.Module):
    """F, and the pooling of its differences. What it gives is added to the linear latents, in units of their step."""

    def __init__(self, config: VTokConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch_in = nn.Linear(3 * PATCH_SIDE**2, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.key_norm, self.difference_norm, self.query_norm = RMSNorm(width), RMSNorm(width), RMSNorm(width)
        self.queries = nn.Parameter(torch.randn(config.residuals, width) * 0.02)
        self.frame_places = nn.Parameter(torch.randn(config.group, 1, width) * 0.02)
        self.step_in = nn.Linear(width, width)
        self.pool = Attention(width, config.heads)
        nn.init.xavier_uniform_(self.pool.proj.weight)
        self.key_out = zeroed(nn.Linear(width, config.key_channels))
        self.residual_out = zeroed(nn.Linear(width, config.residual_channels))

    def features(self, clip: Tensor) -> Tensor:
        """F of every frame, before any norm: `[B, 3, T, H, W]` to `[B, T, gh * gw, width]`."""
        patches = patchify(clip.to(self.queries.dtype), 1)
        b, t, gh, gw, _ = patches.shape
        x = self.patch_in(patches).view(b * t, gh * gw, -1)
        rotation = rotary((1, gh, gw), 0, self.config.width // self.config.heads, x.device)
        for block in self.blocks:
            x = block(x, rotation)
        return x.view(b, t, gh * gw, -1)

    def forward(self, clip: Tensor, frames: Frames, step: Tensor) -> tuple[Tensor, Tensor]:
        """What is added to the key latents `[B, S, key_channels]` and to the residual latents `[B, G, R * residual_channels]`."""
        features = self.features(clip)
        b, _, s, width = features.shape
        key = features.gather(1, frames.key.view(-1, 1, 1, 1).expand(-1, -1, s, width))
        later = features.gather(1, frames.later[..., None, None].expand(-1, -1, s, width))
        difference = (later - key).unflatten(1, (-1, self.config.group)) + self.frame_places
        memory = self.difference_norm(difference).flatten(2, 3).flatten(0, 1)
        told = self.step_in(fourier(torch.log2(step), width).to(memory.dtype))
        queries = (self.queries + told[:, None]).repeat_interleave(memory.shape[0] // b, 0)
        pooled = queries + self.pool(self.query_norm(queries), memory)
        residual = self.residual_out(pooled).view(b, -1, self.config.residuals * self.config.residual_channels)
        return self.key_out(self.key_norm(key[:, 0])), residual


class Reader(nn.Module):
    """Embeds key and residual tokens for a decoder. Residual tokens carry their frames' time, in the clip and from the key frame."""

    def __init__(self, config: VTokConfig, width: int) -> None:
        super().__init__()
        self.width = width
        self.key_in = nn.Linear(config.key_channels, width)
        self.key_places = nn.Parameter(torch.randn(config.spatial, width) * 0.02)
        self.residual_in = nn.Linear(config.residual_channels, width)
        self.residual_places = nn.Parameter(torch.randn(config.residuals, width) * 0.02)
        self.time_in = nn.Linear(2 * width, width)

    def forward(self, key: Tensor, residual: Tensor, lengths: Tensor, frames: Frames) -> Tensor:
        """Tokens `[B, S + G * R, width]` from latents of about unit size, `key [B, S, C]` and `residual [B, G, R, C]`, of which `lengths
        [B, G]` are kept; the cut ones hold nothing."""
        dtype, b = self.key_places.dtype, len(key)
        place = frames.later[:, frames.middle] / PATCH_TIME
        times = self._time(torch.stack((place, frames.at / 8), -1))
        key_time = self._time(torch.stack((frames.key / PATCH_TIME, torch.zeros_like(place[:, 0])), -1))
        key = self.key_in(key.to(dtype)) + self.key_places + key_time[:, None]
        own = self.residual_in(residual.to(dtype)) + self.residual_places + times[:, :, None]
        own = cut(own.flatten(0, 1), lengths.flatten()).view(b, -1, self.width)
        return torch.cat((key, own), 1)

    def _time(self, times: Tensor) -> Tensor:
        """`[..., width]` of a place in the clip and a distance, `[..., 2]`."""
        return self.time_in(fourier(times, self.width).flatten(-2).to(self.key_places.dtype))


class Coordinates(nn.Module):
    """The coordinate decoder on the painting and the tokens: what is to be added to the painting, at any coordinate."""

    def __init__(self, config: VTokConfig, decoder: CoordinateConfig) -> None:
        super().__init__()
        self.reader = Reader(config, decoder.width)
        self.step_in = zeroed(nn.Linear(decoder.width, decoder.width))
        self.decoder = CoordinateDecoder(decoder, PictureLookup(decoder.width, decoder.heads, decoder.patch))

    def paint(self, tokens: Tensor, context: Context, asked: Query | None) -> Tensor:
        """The clip, or what is asked of it, float32."""
        base = context.base
        assert base is not None
        size = base.shape[2], base.shape[3], base.shape[4]
        asked = asked or whole(size)
        told = self.step_in(fourier(torch.log2(context.step), tokens.shape[-1]).to(tokens.dtype))
        added = self.decoder.paint((tokens, base), len(base), size, asked, told)
        return sampled(base, asked) + context.step.view(-1, 1, 1, 1, 1) * added


@dataclass(frozen=True)
class Coded:
    """Latents as rounded with `step [B]`, `key [B, S, C]` and `residual [B, G, R, C]`, of which `lengths [B, G]` tokens are kept, of clips
    whose frames are at `times [B, T]`."""

    key: Tensor
    residual: Tensor
    lengths: Tensor
    frames: Frames
    times: Tensor
    step: Tensor


class VTok(Tokenizer):
    """Linear painting, encoder, diffusion decoder, optional coordinate decoder, and the statistics of the length rule."""

    name = "vtok"
    distances: Tensor

    def __init__(self, config: VTokConfig) -> None:
        super().__init__()
        self.config = config
        self.clip_frames, self.tile, self.base = config.clip_frames, (config.side, config.side), None
        size = config.residuals * config.residual_channels
        self.linear = LinearKey(config.side, config.group, config.key_channels, size, config.rest_channels)
        self.encoder = Encoder(config)
        self.reader = Reader(config, config.decoder.width)
        self.decoder = DiffusionDecoder(config.decoder)
        self.decoders = ("diffusion", "coordinate") if config.coordinate else ("diffusion",)
        self.coordinate = Coordinates(config, config.coordinate) if config.coordinate else None
        self.register_buffer("distances", torch.tensor([-5.0, -1.5]))  # log distances to the key frame that need no token, and all

    @property
    def streams(self) -> tuple[Stream, ...]:
        """Which frame is the key frame (where it is chosen), its tokens, and the residual tokens of every group."""
        c = self.config
        stride = c.clip_frames, PATCH_SIDE, PATCH_SIDE
        sides = len(STEP_EDGES) + 1
        key = Stream("key", c.key_channels, SYMBOL_BOUND, "grid", classes=c.classes, sides=sides, stride=stride)
        residual = Stream(
            "residual", c.residual_channels, SYMBOL_BOUND, "sequence", True, c.residuals, sides=sides, items=c.groups
        )
        if c.key_frame == "first":
            return key, residual
        return Stream("place", 1, LONGEST - 1, "sequence", positions=1), key, residual

    def gains(self, step: float) -> dict[str, float]:
        """All latents have the scale of pixels; the key frame is rounded finer."""
        gains = {"key": KEY_FINENESS / step, "residual": 1 / step}
        return gains if self.config.key_frame == "first" else {"place": 1.0, **gains}

    def encode(self, clip: Tensor, context: Context) -> Latents:
        """`place [B, 1, 1]` (where the key frame is chosen), `key [B, S, C]`, `residual [B, G * R, C]`; float32."""
        key = self.key_frame(clip)
        times = torch.arange(clip.shape[2], device=clip.device).expand(len(clip), -1)
        found, residual = self.analyse(clip, Frames.of(key, times, self.config.group), context.step)
        latents = {"key": quiet(found, context.step / KEY_FINENESS)}
        latents["residual"] = quiet(residual, context.step).flatten(1, 2)
        return latents if self.config.key_frame == "first" else {"place": key.float().view(-1, 1, 1), **latents}

    def key_frame(self, clip: Tensor) -> Tensor:
        """Index `[B]` of the key frame of clips `[B, 3, T, H, W]`."""
        if self.config.key_frame == "first":
            return torch.zeros(len(clip), dtype=torch.long, device=clip.device)
        return self.linear.nearest_to_mean(clip)

    def analyse(self, clip: Tensor, frames: Frames, step: Tensor) -> tuple[Tensor, Tensor]:
        """Key latents `[B, S, C]` and residual latents `[B, G, R, C]`, float32, of any clip whose key frame is among its frames."""
        picture = take(clip, frames.key[:, None])[:, :, 0]
        width = step.view(-1, 1, 1)
        key, residual = self.encoder(clip, frames, step)
        with torch.autocast(clip.device.type, enabled=False):
            linear_key = self.linear.key(picture)
            decoded = self.linear.picture(_rounded(linear_key, width / KEY_FINENESS))
            size, gain = self.linear.field_size, self._gain(step)
            linear = self.linear.residual(clip, frames, decoded, lambda f: _rounded(f * gain[..., :size], width) / gain[..., :size])
        key = linear_key + key.float() * width / KEY_FINENESS
        return key, (linear * gain + residual.float() * width).unflatten(2, (self.config.residuals, -1))

    def _gain(self, step: Tensor) -> Tensor:
        """What residual latents are multiplied with before they are rounded with `step [B]`: `[B, 1, residual_size]`."""
        gain = step.new_ones(len(step), 1, self.config.residuals * self.config.residual_channels)
        gain[..., : self.linear.field_size] = (step / step.clamp_min(FIELD_STEP)).view(-1, 1, 1)
        return gain

    def lengths(self, clip: Tensor) -> Lengths:
        """Residual tokens kept for every group, from its distance to the key frame: none where it is still, R where much has changed."""
        times = torch.arange(clip.shape[2], device=clip.device).expand(len(clip), -1)
        return {"residual": self.kept(clip, Frames.of(self.key_frame(clip), times, self.config.group))}

    def kept(self, clip: Tensor, frames: Frames) -> Tensor:
        """Tokens `[B, G]` that the rule keeps: linear in the logarithm of the mean RGB distance between the group's frames and the
        key frame."""
        low, high = self.distances.tolist()
        share = (log_distances(clip, frames) - low) / (high - low)
        return (share * self.config.residuals).ceil().long().clamp(0, self.config.residuals).view(len(clip), -1)

    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        coded = self.coded(latents, lengths, context.step)
        told = self.painting(coded)
        if options.decoder == "coordinate":
            assert self.coordinate is not None
            return self.coordinate.paint(self.tokens(coded, self.coordinate.reader), told, options.query).clamp(-1, 1)
        return self.decoder.sample(self.tokens(coded, self.reader), told, options.steps, options.noise).clamp(-1, 1)

    def coded(self, latents: Latents, lengths: Lengths, step: Tensor) -> Coded:
        """What a file tells of whole clips, from its latents."""
        key = latents["key"]
        place = torch.zeros(len(key), device=key.device)
        if self.config.key_frame == "best":
            place = latents["place"][:, 0, 0].round().clamp(0, self.clip_frames - 1)
        times = torch.arange(self.clip_frames, device=key.device).expand(len(key), -1)
        frames = Frames.of(place.long(), times, self.config.group)
        residual = latents["residual"].unflatten(1, (self.config.groups, self.config.residuals))
        return Coded(key, residual, lengths["residual"], frames, times, step)

    def tokens(self, coded: Coded, reader: Reader) -> Tensor:
        """Embedded tokens `[B, S + G * R, width]` for a decoder."""
        spread = self.linear.residual_deviation.float().view(self.config.residuals, -1)
        return reader(coded.key / self.linear.key_deviation.float(), coded.residual / spread, coded.lengths, coded.frames)

    def painting(self, coded: Coded) -> Context:
        """The context of a decoder: the linear painting as its base, and of each patch its distance from the key frame in time, how far it
        was moved, and how many tokens its frames have."""
        frames, lengths, count = coded.frames, coded.lengths, coded.times.shape[1]
        with torch.autocast(coded.key.device.type, enabled=False):
            kept = cut(coded.residual.flatten(0, 1).float(), lengths.flatten()).unflatten(0, lengths.shape)
            latents = kept.flatten(2) / self._gain(coded.step)
            base, fields = self.linear.paint(self.linear.picture(coded.key), latents, frames, count)
        away = (coded.times - coded.times.gather(1, frames.key[:, None])).abs() / 16
        moved = torch.log2(1 + fields.detach().square().sum(1).sqrt()) / 4
        share = lengths.repeat_interleave(self.config.group, 1).float() / self.config.residuals
        share = frames.arranged(share.new_ones(len(share), 1), share[:, None], count)[:, 0]
        side = torch.stack((away[..., None, None].expand_as(moved), moved, share[..., None, None].expand_as(moved)), 1)
        return Context(coded.step, base, side.unflatten(2, (-1, PATCH_TIME)).mean(3))


def log_distances(clip: Tensor, frames: Frames) -> Tensor:
    """Logarithm of the mean RGB distance to the key frame, `[B, G]`, below 0 where frames are still."""
    distance = (clip - take(clip, frames.key[:, None])).square().sum(1).sqrt().mean((2, 3)).gather(1, frames.later)
    return torch.log(distance.unflatten(1, (len(frames.middle), -1)).mean(2).clamp_min(1e-4))


def quiet(latents: Tensor, step: Tensor) -> Tensor:
    """Latents `[B, ...]` with those that are not worth their bits at this step `[B]` set to zero."""
    width = step.view(-1, *(1,) * (latents.ndim - 1))
    return latents * (latents.abs() >= DEAD_ZONE * width)


def _rounded(values: Tensor, width: Tensor) -> Tensor:
    """Values as they come back from a file where they are rounded with steps of `width`."""
    return (values / width).round() * width
