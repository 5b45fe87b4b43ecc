"""DeRA, decoupled 1D video tokenizer (arXiv 2512.04483): appearance and motion as two streams of discrete tokens from one shared encoder.

Known from the paper: the appearance stream reads the first frame's patches with 256 queries, the motion stream the clip's patches with
768; one transformer encodes both, each by itself; the query outputs of both, joined, are quantised to 8192 codes; a transformer
decodes them from learned patch queries. In training the patch outputs are aligned with an image and a video foundation model, and
conflicts of the two alignments are projected away (SACP).

Ours: finite scalar quantisation in place of vector quantisation; the coordinate decoder (or the diffusion decoder) on a linear start:
the first frame's spectrum, then displacements and what they leave of the later frames, spread over the digits of the tokens. The
encoder's outputs are added to these numbers before they are rounded, the decoder's to their painting.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vtc.tokenizers.contract import Context, DecodeOptions, Latents, Lengths, Query, Stream, Tokenizer
from vtc.tokenizers.coordinate import CoordinateConfig, CoordinateDecoder, sampled, whole
from vtc.tokenizers.diffusion import DiffusionConfig, DiffusionDecoder
from vtc.tokenizers.digits import Digits
from vtc.tokenizers.keyframe import Frames, LinearKey
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_SIZE, PATCH_TIME, patchify
from vtc.tokenizers.layers.spectrum import from_spectrum, spectrum
from vtc.tokenizers.layers.transformer import Block, RMSNorm, rotary
from vtc.tokenizers.layers.zero import zeroed
from vtc.tokenizers.lookup import PictureLookup

STEP = 1.0
"""Of the diffusion decoder, which is told one: there is no quantiser's step."""


@dataclass(frozen=True)
class DeRAConfig:
    """Sizes; frames are `side` x `side`. `appearance` and `motion` tokens of `channels` digits of `level` levels. A group of `group` later
    frames has its share of the motion tokens."""

    clip_frames: int = 16
    side: int = 128
    width: int = 192
    heads: int = 4
    depth: int = 2
    appearance: int = 256
    motion: int = 768
    channels: int = 4
    level: int = 9
    group: int = 4
    key_channels: int = 96
    rest_channels: int = 48
    coordinate: CoordinateConfig | None = field(default_factory=lambda: CoordinateConfig(depth=2))
    diffusion: DiffusionConfig | None = None


PRESETS = {
    "tiny": DeRAConfig(),
    "small": DeRAConfig(width=384, heads=8, depth=6, coordinate=CoordinateConfig(width=384, heads=6, depth=8)),
    "base": DeRAConfig(width=768, heads=16, depth=12, coordinate=CoordinateConfig(width=768, heads=12, depth=12)),
}

DIFFUSION_SIZES = {
    "tiny": DiffusionConfig(depth=3, channels=32, blocks=3),
    "small": DiffusionConfig(width=384, heads=8, depth=8, channels=64, blocks=6),
    "base": DiffusionConfig(width=576, heads=12, depth=12, channels=96, blocks=8),
}
"""Of the diffusion decoder, where a recipe asks for it."""


class Encoder(nn.Module):
    """One transformer for both streams, which never meet in it."""

    def __init__(self, config: DeRAConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.frame_in, self.clip_in = nn.Linear(3 * PATCH_SIDE**2, width), nn.Linear(PATCH_SIZE, width)
        self.appearance = nn.Parameter(torch.randn(config.appearance, width) * 0.02)
        self.motion = nn.Parameter(torch.randn(config.motion, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.norm = RMSNorm(width)
        self.appearance_out, self.motion_out = (zeroed(nn.Linear(width, config.channels)) for _ in range(2))

    def forward(self, clip: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Of the appearance and of the motion stream of clips `[B, 3, T, H, W]`: patch outputs `[B, N, width]`, for alignment, and what is
        added to the digits, `[B, tokens, channels]`."""
        clip = clip.to(self.motion.dtype)
        still, queries = self._stream(self.frame_in(patchify(clip[:, :, :1], 1)), self.appearance)
        moving, more = self._stream(self.clip_in(patchify(clip)), self.motion)
        return (still, self.appearance_out(queries)), (moving, self.motion_out(more))

    def shared(self) -> list[nn.Parameter]:
        """The parameters that both streams share."""
        return [*self.blocks.parameters(), *self.norm.parameters()]

    def _stream(self, patches: Tensor, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs at patches `[B, S, gh, gw, width]` and at queries `[K, width]`."""
        b, *sizes, _ = patches.shape
        grid = (sizes[0], sizes[1], sizes[2])
        x = torch.cat((patches.flatten(1, 3), queries.expand(b, -1, -1).to(patches.dtype)), 1)
        rotation = rotary(grid, len(queries), self.config.width // self.config.heads, x.device)
        for block in self.blocks:
            x = block(x, rotation)
        x = self.norm(x)
        return x[:, : -len(queries)], x[:, -len(queries) :]


class Reader(nn.Module):
    """Embeds the digits of all tokens for a decoder."""

    def __init__(self, config: DeRAConfig, width: int) -> None:
        super().__init__()
        self.largest = config.level // 2
        self.digits_in = nn.Linear(config.channels, width)
        self.places = nn.Parameter(torch.randn(config.appearance + config.motion, width) * 0.02)

    def forward(self, appearance: Tensor, motion: Tensor) -> Tensor:
        """`[B, appearance + motion, width]`."""
        digits = torch.cat((appearance, motion), 1) / self.largest
        return self.digits_in(digits.to(self.places.dtype)) + self.places


class Coordinates(nn.Module):
    """The coordinate decoder on the painting and the tokens: what is to be added to the painting, at any coordinate."""

    def __init__(self, config: DeRAConfig, decoder: CoordinateConfig) -> None:
        super().__init__()
        self.reader = Reader(config, decoder.width)
        self.decoder = CoordinateDecoder(decoder, PictureLookup(decoder.width, decoder.heads, decoder.patch))

    def paint(self, tokens: Tensor, base: Tensor, asked: Query | None) -> Tensor:
        """The clip, or what is asked of it, float32."""
        size = base.shape[2], base.shape[3], base.shape[4]
        asked = asked or whole(size)
        return sampled(base, asked) + self.decoder.paint((tokens, base), len(base), size, asked)


class Diffusion(nn.Module):
    """The diffusion decoder on the painting and the tokens."""

    def __init__(self, config: DeRAConfig, decoder: DiffusionConfig) -> None:
        super().__init__()
        self.reader, self.decoder = Reader(config, decoder.width), DiffusionDecoder(decoder)


class DeRA(Tokenizer):
    """Linear start, shared encoder, and one or both decoders."""

    name = "dera"

    def __init__(self, config: DeRAConfig) -> None:
        super().__init__()
        self.config = config
        self.clip_frames, self.tile, self.base = config.clip_frames, (config.side, config.side), None
        self.groups = -(-(config.clip_frames - 1) // config.group)
        cells = (config.side // PATCH_SIDE) ** 2
        size = 2 * cells + config.rest_channels * cells
        self.linear = LinearKey(config.side, config.group, config.key_channels, size, config.rest_channels)
        self.appearance = Digits(config.key_channels * cells, config.appearance, config.channels, config.level)
        self.motion = Digits(size, config.motion // self.groups, config.channels, config.level)
        self.encoder = Encoder(config)
        self.coordinate = Coordinates(config, config.coordinate) if config.coordinate else None
        self.diffusion = Diffusion(config, config.diffusion) if config.diffusion else None
        has = {"coordinate": self.coordinate, "diffusion": self.diffusion}
        self.decoders = tuple(name for name, decoder in has.items() if decoder is not None)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The tokens of the first frame, and those of the clip."""
        c = self.config
        levels = (c.level,) * c.channels
        return tuple(
            Stream(name, c.channels, c.level // 2, "sequence", positions=count, levels=levels)
            for name, count in (("appearance", c.appearance), ("motion", c.motion))
        )

    @property
    def codebook_size(self) -> int:
        """Number of different ids of a token."""
        return self.motion.fsq.codebook_size

    def gains(self, step: float) -> dict[str, float]:
        """Digits are whole numbers, whatever the step."""
        return {"appearance": 1.0, "motion": 1.0}

    def lengths(self, clip: Tensor) -> Lengths:
        return {}

    def encode(self, clip: Tensor, context: Context) -> Latents:
        """Digits `appearance [B, N_a, C]` and `motion [B, N_m, C]`, whole numbers in float32."""
        return self.analyse(clip)[0]

    def analyse(self, clip: Tensor) -> tuple[Latents, Tensor, Tensor]:
        """`encode`, and the patch outputs of the appearance and of the motion stream for the alignment losses."""
        (still, to_appearance), (moving, to_motion) = self.encoder(clip)
        with torch.autocast(clip.device.type, enabled=False):
            whole_frame = spectrum(self._grid(self.linear.key(clip[:, :, 0].float()))).flatten(1)
            appearance = self.appearance(whole_frame, to_appearance)
            # The motion stream does not look at the appearance tokens: the linear start stands in for the decoded first frame.
            picture = self.picture(self.appearance(whole_frame))
            left = self.linear.residual(clip.float(), self._frames(clip), picture, self._rounded_fields)
            motion = self.motion(left, to_motion.unflatten(1, (self.groups, -1)))
        return {"appearance": appearance, "motion": motion.flatten(1, 2)}, still, moving

    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        base = self.painting(latents)
        if (options.decoder or self.decoders[0]) == "coordinate":
            assert self.coordinate is not None
            tokens = self.coordinate.reader(latents["appearance"], latents["motion"])
            return self.coordinate.paint(tokens, base, options.query).clamp(-1, 1)
        assert self.diffusion is not None
        tokens = self.diffusion.reader(latents["appearance"], latents["motion"])
        return self.diffusion.decoder.sample(tokens, self.told(base), options.steps, options.noise).clamp(-1, 1)

    def told(self, base: Tensor) -> Context:
        """The context of the diffusion decoder."""
        b, _, t, h, w = base.shape
        side = base.new_zeros(b, 3, t // PATCH_TIME, h // PATCH_SIDE, w // PATCH_SIDE)
        return Context(base.new_full((b,), STEP), base, side)

    def painting(self, latents: Latents) -> Tensor:
        """What the linear start makes of the tokens, `[B, 3, T, H, W]` float32."""
        appearance, motion = latents["appearance"], latents["motion"].unflatten(1, (self.groups, -1))
        with torch.autocast(motion.device.type, enabled=False):
            residual = self.motion.numbers(motion)
            return self.linear.paint(self.picture(appearance), residual, self._frames(motion), self.clip_frames)[0]

    def picture(self, appearance: Tensor) -> Tensor:
        """The first frame `[B, 3, H, W]` from the appearance tokens."""
        grid = self.appearance.numbers(appearance).unflatten(1, (self.config.key_channels, self.linear.cells, -1))
        return self.linear.picture(from_spectrum(grid).flatten(2).mT)

    def _grid(self, key: Tensor) -> Tensor:
        """Key latents `[B, gh * gw, C]` as maps `[B, C, gh, gw]`."""
        return key.mT.unflatten(2, (self.linear.cells, -1))

    def _rounded_fields(self, fields: Tensor) -> Tensor:
        """What the fields of all groups come back as."""
        size = self.linear.field_size
        numbers = torch.nn.functional.pad(fields, (0, len(self.motion.unit) - size))
        return self.motion.numbers(self.motion(numbers))[..., :size]

    def _frames(self, like: Tensor) -> Frames:
        """The first frame is the key frame."""
        key = torch.zeros(len(like), dtype=torch.long, device=like.device)
        return Frames.of(key, torch.arange(self.clip_frames, device=like.device).expand(len(like), -1), self.config.group)
