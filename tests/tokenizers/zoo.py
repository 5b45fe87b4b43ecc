"""One small model of every tokenizer, with both decoders, for the battery of the contract. A new tokenizer adds its line here."""

from collections.abc import Callable

import torch
from torch import Tensor

from vtc.tokenizers.base import TOLD, BaseConfig
from vtc.tokenizers.contract import Context, Tokenizer
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.coordtok import CoordTok, CoordTokConfig
from vtc.tokenizers.dera import DeRA, DeRAConfig
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.tokenizers.onedva import OneDVA, OneDVAConfig
from vtc.tokenizers.vtok import VTok, VTokConfig

DIFFUSION = DiffusionConfig(width=24, heads=2, depth=1, channels=8, blocks=1)
COORDINATE = CoordinateConfig(width=24, heads=2, depth=1, points=64)


def onedva(base: BaseConfig | None) -> OneDVA:
    return OneDVA(
        OneDVAConfig(
            width=24, heads=2, depth=1, queries=6, query_channels=4, structural_channels=8, base=base, decoder=DIFFUSION,
            coordinate=COORDINATE,
        )
    )  # fmt: skip


def coordtok(linear: bool) -> CoordTok:
    return CoordTok(
        CoordTokConfig(
            clip_frames=16, side=32, width=24, heads=2, patch_depth=1, depth=1, tubelet_time=8, plane_time=4, plane_side=4,
            latent_time=2, latent_side=2, features=(8, 4), linear=linear, decoder=COORDINATE, diffusion=DIFFUSION,
        )
    )  # fmt: skip


def vtok(key_frame: str) -> VTok:
    return VTok(
        VTokConfig(
            clip_frames=8, side=32, width=24, heads=2, depth=1, key_frame=key_frame, key_channels=8, group=2, residuals=4,
            residual_channels=4, rest_channels=6, coordinate=COORDINATE, decoder=DIFFUSION,
        )
    )  # fmt: skip


def dera() -> DeRA:
    return DeRA(
        DeRAConfig(
            clip_frames=16, side=32, width=24, heads=2, depth=1, appearance=4, motion=8, channels=3, level=5, key_channels=8,
            rest_channels=6, coordinate=COORDINATE, diffusion=DIFFUSION,
        )
    )  # fmt: skip


ZOO: dict[str, Callable[[], Tokenizer]] = {
    "onedva": lambda: onedva(BaseConfig(coefficients=16)),
    "onedva-paper": lambda: onedva(None),
    "coordtok": lambda: coordtok(linear=True),
    "coordtok-published": lambda: coordtok(linear=False),
    "vtok": lambda: vtok("best"),
    "vtok-first": lambda: vtok("first"),
    "dera": dera,
}
"""By recipe: a model whose clips are small; all have both decoders."""

DECODERS = ("diffusion", "coordinate")


def built(name: str) -> Tokenizer:
    """The model with every weight and fitted number shaken, so that all of them matter."""
    torch.manual_seed(3)
    model = ZOO[name]().eval().requires_grad_(False)
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.is_floating_point():
            tensor.add_(0.05 * torch.randn_like(tensor))
    return model


def example(model: Tokenizer, batch: int = 2) -> tuple[Tensor, Context]:
    """Clips of a size that the model takes, and what the codec would tell of them."""
    height, width = model.tile or (32, 48)
    generator = torch.Generator().manual_seed(7)
    clip = torch.rand(batch, 3, model.clip_frames, height, width, generator=generator) * 2 - 1
    side = torch.zeros(batch, 3 if model.base is None else TOLD, model.clip_frames // 4, height // 16, width // 16)
    if model.base is None:
        return clip, Context(torch.full((batch,), 0.5), None, side)
    base = (clip + 0.1 * torch.randn(clip.shape, generator=generator)).clamp(-1, 1)
    return clip, Context(torch.full((batch,), 0.5), base, side + 0.5)


def one(context: Context, item: int) -> Context:
    """The context of one clip of a batch."""
    cut = slice(item, item + 1)
    assert context.side is not None
    return Context(context.step[cut], None if context.base is None else context.base[cut], context.side[cut])


def rounded(model: Tokenizer, clip: Tensor, context: Context) -> dict[str, Tensor]:
    """The latents as a file would give them back."""
    gains = model.gains(float(context.step[0]))
    bounds = {stream.name: stream.bound for stream in model.streams}
    latents = model.encode(clip, context)
    return {n: (latent * gains[n]).round().clamp(-bounds[n], bounds[n]) / gains[n] for n, latent in latents.items()}


def full(model: Tokenizer, batch: int) -> dict[str, Tensor]:
    """Lengths that keep everything."""
    return {s.name: torch.full((batch, s.items), s.positions) for s in model.streams if s.cut}
