"""One-DVA, One-Dimensional Diffusion Video Autoencoder (arXiv 2602.04220): structural latents on a grid, 1D latents of
variable length.

Known from the paper: linear patchifier, learned 1D queries and resolution tokens beside the patches in one transformer, channel
compression, tail cutting by a motion score, a pixel-space diffusion decoder, self-alignment, stages. Its constants are not
public; those here are ours.

As the default codec it stands on the base layer, which codes the structural latents ahead of the network; the encoder then sees
what the base missed and the 1D latents carry the rest. With `base=None` (recipe onedva-paper) the structural latents are the
transformer's own patch outputs.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vtc.tokenizers.base import SIDES, STRUCTURAL_BOUND, TOLD, BaseConfig, BaseLayer
from vtc.tokenizers.contract import Context, DecodeOptions, Latents, Lengths, Query, Stream, Tokenizer
from vtc.tokenizers.coordinate import CoordinateConfig, CoordinateDecoder, sampled, whole
from vtc.tokenizers.diffusion import SIDE_CHANNELS, DiffusionConfig, DiffusionDecoder
from vtc.tokenizers.layers.length import cut, motion_length, motion_score
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_SIZE, PATCH_TIME, patchify, unpatchify
from vtc.tokenizers.layers.transformer import Block, RMSNorm, fourier, rotary
from vtc.tokenizers.layers.zero import zeroed
from vtc.tokenizers.lookup import PictureLookup
from vtc.tokenizers.motion import VECTOR_BOUND
from vtc.tokenizers.partition import PARTITION_BOUND, PARTS
from vtc.tokenizers.steps import FINEST

QUERY_BOUND = 15
_RESOLUTION_TOKENS = 4


@dataclass(frozen=True)
class OneDVAConfig:
    """Sizes. `queries` (K_max) 1D latents of `query_channels` a clip, of which the length rule keeps at least `least`;
    `structural_channels` counts only without a base layer. `coordinate`: a second decoder, where there is one."""

    width: int = 192
    heads: int = 4
    depth: int = 3
    queries: int = 32
    query_channels: int = 8
    least: int = 2
    clip_frames: int = 16
    classes: int = 18
    tables: int = 128
    structural_channels: int = 64
    base: BaseConfig | None = field(default_factory=lambda: BaseConfig(overlap=True))
    decoder: DiffusionConfig = field(default_factory=DiffusionConfig)
    coordinate: CoordinateConfig | None = None


PRESETS = {
    "tiny": OneDVAConfig(),
    "small": OneDVAConfig(
        width=384,
        heads=8,
        depth=6,
        queries=64,
        decoder=DiffusionConfig(width=384, heads=8, depth=8, channels=64, blocks=6),
    ),
    "base": OneDVAConfig(
        width=576,
        heads=12,
        depth=8,
        queries=128,
        decoder=DiffusionConfig(width=576, heads=12, depth=12, channels=96, blocks=8),
    ),
}


class Encoder(nn.Module):
    """Transformer over patches, 1D queries and resolution tokens."""

    def __init__(self, config: OneDVAConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch_in = nn.Linear(PATCH_SIZE, width)
        self.base_in = nn.Linear(PATCH_SIZE, width) if config.base else None
        self.queries = nn.Parameter(torch.randn(config.queries, width) * 0.02)
        self.resolution = nn.Linear(width, width)
        self.resolution_kind = nn.Parameter(torch.randn(_RESOLUTION_TOKENS, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.depth))
        self.norm = RMSNorm(width)
        self.query_out = nn.Linear(width, config.query_channels)

    def forward(self, clip: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """Normalised patch outputs `[B, N, width]` and query outputs `[B, K, query_channels]`.

        With a base layer the patches hold what it missed, in units of the step.
        """
        x = self._patches(clip, context)
        grid = (x.shape[1], x.shape[2], x.shape[3])
        free = torch.cat((self.queries.expand(len(clip), -1, -1), self._resolution(clip, context)), 1)
        x = torch.cat((x.flatten(1, 3), free.to(x.dtype)), 1)
        rotation = rotary(grid, free.shape[1], self.config.width // self.config.heads, x.device)
        for block in self.blocks:
            x = block(x, rotation)
        x = self.norm(x)
        n = grid[0] * grid[1] * grid[2]
        return x[:, :n], self.query_out(x[:, n : n + self.config.queries])

    def _patches(self, clip: Tensor, context: Context) -> Tensor:
        """Patches embedded, `[B, S, gh, gw, width]`; slice by slice, for pixels take more memory than everything behind them."""
        dtype = self.queries.dtype
        if self.base_in is None:
            return torch.cat([self.patch_in(patchify(part.to(dtype))) for part in clip.split(PATCH_TIME, 2)], 1)
        assert context.base is not None
        step, slices = context.step.view(-1, 1, 1, 1, 1), []
        for part, base in zip(clip.split(PATCH_TIME, 2), context.base.split(PATCH_TIME, 2), strict=True):
            rest = (part - base) / step
            slices.append(self.patch_in(patchify(rest.to(dtype))) + self.base_in(patchify(base.to(dtype))))
        return torch.cat(slices, 1)

    def _resolution(self, clip: Tensor, context: Context) -> Tensor:
        """Resolution tokens `[B, 4, width]`: height and width, frames, frame rate, step; all on logarithmic scales."""
        b, _, t, h, w = clip.shape
        sizes = torch.tensor([h * w, t, 1.0 + context.frame_rate], device=clip.device).log2().expand(b, -1) / 4
        numbers = torch.cat((sizes, torch.log2(context.step)[:, None]), 1)
        return self.resolution(fourier(numbers, self.config.width).to(self.queries.dtype)) + self.resolution_kind


class Coordinates(nn.Module):
    """The coordinate decoder on the base picture and the 1D latents: what is to be added to the base, at any coordinate."""

    def __init__(self, config: CoordinateConfig, queries: int, channels: int) -> None:
        super().__init__()
        width = config.width
        self.query_in = nn.Linear(channels, width)
        self.query_place = nn.Parameter(torch.randn(queries, width) * 0.02)
        self.step_in = zeroed(nn.Linear(width, width))
        self.decoder = CoordinateDecoder(config, PictureLookup(width, config.heads, config.patch))

    def latents(self, query: Tensor, lengths: Tensor, base: Tensor) -> tuple[Tensor, Tensor]:
        """What the decoder looks up: the kept 1D latents `[B, K, C]`, embedded, and the base picture."""
        return cut(self.query_in(query.to(self.query_place.dtype)) + self.query_place, lengths), base

    def told(self, step: Tensor) -> Tensor:
        """The step `[B]`, as it is told to the decoder."""
        return self.step_in(fourier(torch.log2(step), self.query_place.shape[1]).to(self.query_place.dtype))

    def paint(self, query: Tensor, lengths: Tensor, context: Context, asked: Query | None) -> Tensor:
        """The clip, or what is asked of it, float32."""
        base = context.base
        assert base is not None
        size = base.shape[2], base.shape[3], base.shape[4]
        asked = asked or whole(size)
        added = self.decoder.paint(self.latents(query, lengths, base), len(base), size, asked, self.told(context.step))
        return sampled(base, asked) + context.step.view(-1, 1, 1, 1, 1) * added


class OneDVA(Tokenizer):
    """Encoder, optional base layer, diffusion decoder, optional coordinate decoder, and the statistics of the length rule."""

    name = "onedva"
    motion_statistics: Tensor

    def __init__(self, config: OneDVAConfig) -> None:
        super().__init__()
        self.config = config
        self.clip_frames = config.clip_frames
        self.base = BaseLayer(config.base, config.classes, config.tables) if config.base else None
        self.encoder = Encoder(config)
        width = config.decoder.width
        self.query_in = nn.Linear(config.query_channels, width)
        self.query_place = nn.Parameter(torch.randn(config.queries, width) * 0.02)
        self.decoder = DiffusionDecoder(config.decoder, TOLD if config.base else SIDE_CHANNELS)
        self.decoders = ("diffusion", "coordinate") if config.coordinate else ("diffusion",)
        self.coordinate = (
            Coordinates(config.coordinate, config.queries, config.query_channels) if config.coordinate else None
        )
        self.register_buffer("motion_statistics", torch.tensor([-2.0, 1.0]))  # mean and deviation of the score
        if config.base is None:
            self.structural_out = zeroed(nn.Linear(config.width, config.structural_channels))
            self.analysis = nn.Linear(PATCH_SIZE, config.structural_channels)
            self.synthesis = nn.Linear(config.structural_channels, PATCH_SIZE)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """motion, finer, partition and structural of the base layer (or structural of the network), then query."""
        c = self.config
        query = Stream("query", c.query_channels, QUERY_BOUND, "sequence", cut=True, positions=c.queries)
        if c.base is None:
            return Stream("structural", c.structural_channels, STRUCTURAL_BOUND, "grid", classes=c.classes), query
        motion = Stream("motion", 3, VECTOR_BOUND, "grid", classes=8)
        finer = Stream("finer", 1, FINEST, "grid", classes=FINEST + 1)
        partition = Stream("partition", 2 * PARTS, PARTITION_BOUND, "grid", classes=8, sides=SIDES)
        structural = Stream("structural", c.base.coefficients, STRUCTURAL_BOUND, "grid", classes=c.classes, sides=SIDES)
        return motion, finer, partition, structural, query

    def gains(self, step: float) -> dict[str, float]:
        """1D latents are trained for steps of 1; structural latents have the KLT's scale, that of pixels."""
        return {"query": 1.0} if self.base is not None else {"structural": 1.0 / step, "query": 1.0}

    def start(self, basis: Tensor, mean: Tensor) -> None:
        """KLT start of the linear paths: patchifiers see the first coefficients; without a base layer, analysis and synthesis
        are the KLT."""
        with torch.no_grad():
            for linear in (self.encoder.patch_in, self.encoder.base_in, self.decoder.base_in):
                if linear is not None:
                    wide = min(linear.weight.shape[0], basis.shape[1])
                    linear.weight[:wide] = basis[:, :wide].T
                    linear.bias[:wide] = -(mean @ basis[:, :wide])
            if self.encoder.base_in is not None:
                self.encoder.patch_in.bias.zero_()  # differences have no mean
            if self.config.base is None:
                linear_basis = basis[:, : self.config.structural_channels]
                self.analysis.weight.copy_(linear_basis.T)
                self.analysis.bias.copy_(-(mean @ linear_basis))
                self.synthesis.weight.copy_(linear_basis)
                self.synthesis.bias.copy_(mean)

    def encode(self, clip: Tensor, context: Context) -> Latents:
        """`query [B, K_max, C]`, and without a base layer `structural [B, N, C]`; float32."""
        return self.encode_hidden(clip, context)[0]

    def encode_hidden(self, clip: Tensor, context: Context) -> tuple[Latents, Tensor]:
        """`encode`, and the encoder's patch outputs for the alignment loss."""
        patches, query = self.encoder(clip, context)
        latents = {"query": query.float()}
        if self.config.base is None:
            linear = self.analysis(patchify(clip.to(patches.dtype))).flatten(1, 3)
            latents["structural"] = (linear + self.structural_out(patches)).float()
        return latents, patches

    def lengths(self, clip: Tensor) -> Lengths:
        """Kept 1D latents by the motion rule."""
        centre, spread = self.motion_statistics.tolist()
        kept = motion_length(motion_score(clip), centre, spread, self.config.least, self.config.queries)
        return {"query": kept[:, None]}

    def decode(self, latents: Latents, lengths: Lengths, context: Context, options: DecodeOptions) -> Tensor:
        """The clip float32 `[B, 3, T, H, W]` in [-1, 1]; its size is that of the context's base or side."""
        context = self.completed(latents, context)
        if options.decoder == "coordinate":
            assert self.coordinate is not None
            return self.coordinate.paint(latents["query"], lengths["query"][:, 0], context, options.query).clamp(-1, 1)
        tokens = self.tokens(latents["query"], lengths["query"][:, 0])
        return self.decoder.sample(tokens, context, options.steps, options.noise).clamp(-1, 1)

    def tokens(self, query: Tensor, lengths: Tensor) -> Tensor:
        """1D latents embedded for the decoder `[B, K, width]`; the cut ones hold nothing, not even their place."""
        return cut(self.query_in(query.to(self.query_place.dtype)) + self.query_place, lengths)

    def completed(self, latents: Latents, context: Context) -> Context:
        """The context with a base picture: as given, or the linear path from the structural latents."""
        if context.base is not None:
            return context
        assert context.side is not None
        _, _, s, gh, gw = context.side.shape
        patches = self.synthesis(latents["structural"].to(self.synthesis.weight.dtype)).unflatten(1, (s, gh, gw))
        return Context(context.step, unpatchify(patches).float(), context.side, context.frame_rate)

    def empty_side(self, clip: Tensor) -> Tensor:
        """The `side` of a clip that has no base layer: zeros of the right shape."""
        b, _, t, h, w = clip.shape
        return clip.new_zeros(b, SIDE_CHANNELS, t // PATCH_TIME, h // PATCH_SIDE, w // PATCH_SIDE)
