"""Training a second decoder for One-DVA: the coordinate decoder learns to add to the base picture, all else rests."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn

from vtc.tokenizers.bundle import Bundle, save_bundle
from vtc.tokenizers.contract import Context, DecodeOptions
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.layers.length import training_length
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.onedva import OneDVA
from vtc.training.data import Index
from vtc.training.objectives.base_fit import BaseFit
from vtc.training.objectives.card import card
from vtc.training.objectives.figures import psnr
from vtc.training.objectives.onedva import ERROR_FLOOR, OneDVAObjective, OneDVATraining, as_coded, context_of
from vtc.training.objectives.places import coordinates_of, patches_at, scattered
from vtc.training.objectives.started import grown
from vtc.training.recipe import Recipe, Stage

SIZES = {
    "tiny": CoordinateConfig(width=32, heads=2, depth=1),
    "small": CoordinateConfig(width=256, heads=4, depth=4),
    "base": CoordinateConfig(width=512, heads=8, depth=6),
}
"""Of the second decoder. That of `tiny` fits into what its bundle leaves of 16 MiB."""


def with_coordinates(tokenizer: OneDVA, config: CoordinateConfig) -> OneDVA:
    """The tokenizer with an untrained coordinate decoder, the only part of it that may learn; as it is where it has one."""
    both = grown(OneDVA(replace(tokenizer.config, coordinate=tokenizer.config.coordinate or config)), tokenizer)
    both.requires_grad_(False)
    assert both.coordinate is not None
    both.coordinate.requires_grad_(True)
    return both


class SecondDecoderObjective(OneDVAObjective):
    """Squared error at random coordinates, relative to that of the base picture, from latents as a file holds them. All that is in the
    `bundle` that gets the decoder stays as it is, so that it reads the other's files."""

    def __init__(self, bundle: Bundle, fit: BaseFit, index: Index, recipe: Recipe, folder: Path) -> None:
        super().__init__(bundle.tokenizer.base, fit, index, recipe, folder)
        self.bundle = bundle

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: that which was given, with the second decoder."""
        assert isinstance(model, OneDVATraining)
        own = self.bundle.card
        told = {**own, "coordinate": card(self.recipe, self.index, self.folder)}
        told["reads"] = [*own.get("reads", []), self.bundle.identity.hex()]
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, model.tokenizer, self.bundle.entropy, told)
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, OneDVATraining) and model.tokenizer.coordinate is not None
        tokenizer, second = model.tokenizer, model.tokenizer.coordinate
        clip = to_float(batch["clip"])
        with torch.no_grad():
            latents, context = self._seen(model, clip, context_of(batch, generator))
            kept = training_length(tokenizer.lengths(clip)["query"][:, 0], tokenizer.config.queries, generator)
        base = context.base
        assert base is not None
        config = second.decoder.config
        grid = config.grid((clip.shape[2], clip.shape[3], clip.shape[4]))
        places = scattered(grid, config.points, len(clip), generator, clip.device)
        before = (patches_at(base, places, config.patch) - patches_at(clip, places, config.patch)).float()
        known = second.latents(latents["query"], kept, base)
        added = second.decoder(known, coordinates_of(places, grid), grid, second.told(context.step)).float()
        error = (before + context.step.view(-1, 1, 1) * added).square().mean((1, 2))
        rest = before.square().mean((1, 2))
        loss = (error / (rest + ERROR_FLOOR)).mean()
        return loss, {"error": loss, "gain_db": 10 * torch.log10(rest / error.clamp_min(1e-9)).mean()}

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """PSNR (dB, of each clip's mean squared error, then averaged) of the base picture, of the coordinate decoder and, to compare, of
        one step of the diffusion decoder."""
        assert isinstance(model, OneDVATraining)
        rows = []
        for clip in clips:
            pixels = to_float(clip["clip"])
            with torch.autocast(pixels.device.type, torch.bfloat16):
                latents, context = self._seen(model, pixels, context_of(clip))
                lengths = model.tokenizer.lengths(pixels)
                both = [
                    model.tokenizer.decode(latents, lengths, context, DecodeOptions(decoder=decoder))
                    for decoder in ("coordinate", "diffusion")
                ]
            assert context.base is not None
            rows.append([psnr(picture, pixels) for picture in (context.base, *both)])
        return dict(zip(("psnr_base", "psnr", "psnr_diffusion"), np.mean(rows, 0).tolist(), strict=True))

    def _seen(self, model: OneDVATraining, clip: Tensor, context: Context) -> tuple[dict[str, Tensor], Context]:
        """Rounded latents, and the context with a base picture."""
        latents, _ = as_coded(model, model.tokenizer.encode(clip, context), context)
        return latents, model.tokenizer.completed(latents, context)
