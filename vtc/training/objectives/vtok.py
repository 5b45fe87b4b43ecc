"""Training VTok: flow matching over the linear painting, and the rate of key and residual tokens.

A clip is thinned out for training: the key frame and a run of later frames from anywhere in it, so that a step costs the same for clips of
any length and all distances from the key frame occur.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn

from vtc.codec.quality import step_of
from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.contract import DecodeOptions, Latents
from vtc.tokenizers.keyframe import Frames, fit_linear_key, take
from vtc.tokenizers.layers.length import training_length
from vtc.tokenizers.layers.patch import patchify, to_float
from vtc.tokenizers.vtok import (
    COORDINATE_SIZES,
    KEY_FINENESS,
    PRESETS,
    STILL,
    Coded,
    VTok,
    log_distances,
    quiet,
)
from vtc.training.data import Index
from vtc.training.objectives.card import card
from vtc.training.objectives.figures import LAGRANGIAN, logistic_bits, psnr
from vtc.training.objectives.flow import flow, weight_of
from vtc.training.objectives.started import clip_start, grown, klt_start, started
from vtc.training.recipe import Recipe, Stage
from vtc.training.tables import empty_context, fit_tables, training_clips

FIT_CLIPS, TABLE_CLIPS = 80, 48
SEEN_FRAMES = 12
"""Of a clip in a training step, the key frame included."""
QUALITIES = (50, 20)
"""Mean and deviation of the qualities that are trained for."""
ENOUGH = 0.5
"""Share of the training groups, by distance to the key frame, that are given less than all R tokens by the length rule."""
COORDINATE = "vtok-coordinate"
"""The recipe that trains the coordinate decoder as well."""


class VTokTraining(nn.Module):
    """The tokenizer, and logistic rate models of its latents that only training needs."""

    def __init__(self, tokenizer: VTok) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        linear = tokenizer.linear
        self.key_scale = nn.Parameter((linear.key_deviation / 2).log())
        self.residual_scale = nn.Parameter((linear.residual_deviation / 2).log())

    def bits(self, key: Tensor, residual: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
        """Estimated bits of noisy symbols: of the key frame `[B]`, and of residual tokens `[B, G, R]`."""
        width = step.log().view(-1, 1, 1)
        of_key = logistic_bits(key, self.key_scale - width + math.log(KEY_FINENESS)).sum(1)
        scale = self.residual_scale.view(residual.shape[2:]) - width[..., None]
        return of_key, logistic_bits(residual, scale)


class VTokObjective:
    """See the module."""

    prepare_key = "no base layer"

    def __init__(self, index: Index, recipe: Recipe, folder: Path) -> None:
        self.index, self.recipe, self.folder = index, recipe, folder

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Nothing beside the frames."""
        return {}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """With the encoder frozen (post-training) or not, the decoder sees latents rounded as in a file; the rate is that of noisy ones."""
        assert isinstance(model, VTokTraining)
        tokenizer = model.tokenizer
        clip, times, key = thinned(tokenizer, to_float(batch["clip"]), generator)
        b, device = len(clip), clip.device
        frames = Frames.of(key, times, tokenizer.config.group)
        quality = QUALITIES[0] + QUALITIES[1] * torch.randn(b, generator=generator, device=device)
        width = torch.tensor([step_of(float(q)) for q in quality.clamp(0, 100)], device=device)
        found, residual = tokenizer.analyse(clip, frames, width)
        most, spread = tokenizer.config.residuals, width.view(-1, 1, 1)
        rule = tokenizer.kept(clip, frames)
        lengths = training_length(rule.flatten(), most, generator).view_as(rule)
        symbols = found / spread * KEY_FINENESS, residual / spread[..., None]
        noisy = [s + torch.rand(s.shape, generator=generator, device=device) - 0.5 for s in symbols]
        of_key, of_residual = model.bits(noisy[0], noisy[1], width)
        held = torch.arange(most, device=device) < lengths[..., None]
        # A clip has one key frame, and here but some of its later ones.
        share = clip.shape[2] / tokenizer.clip_frames
        bits = of_key * share + (of_residual * held).sum((1, 2))
        rounded = [_through(s, quiet(s, torch.ones_like(width)).round()) for s in symbols]
        key_latents, residual_latents = rounded[0] * spread / KEY_FINENESS, rounded[1] * spread[..., None]
        coded = Coded(key_latents, residual_latents, lengths, frames, times, width)
        context = tokenizer.painting(coded)
        base = context.base
        assert base is not None
        loss, gain = flow(tokenizer.decoder, clip, tokenizer.tokens(coded, tokenizer.reader), context, generator)
        weight = weight_of(base, clip)
        rate = (LAGRANGIAN * width.square() * bits / clip[0].numel() * weight).mean()
        parts = {"flow": loss, "rate": rate, "bits": bits.mean(), "gain_db": gain, "tokens": lengths.float().mean()}
        total = loss + rate
        if tokenizer.coordinate is not None:
            painted = tokenizer.coordinate.paint(tokenizer.tokens(coded, tokenizer.coordinate.reader), context, None)
            parts["coordinate"] = ((painted - clip).square().mean((1, 2, 3, 4)) * weight).mean()
            total = total + parts["coordinate"]
        return total, parts

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """PSNR (dB, of each clip's mean squared error, then averaged) at quality 50 of the linear painting, of one step with the tokens of
        the length rule and with all of them, and of the coordinate decoder where there is one; tokens a clip; their estimated bits."""
        assert isinstance(model, VTokTraining)
        rows = []
        for clip in clips:
            pixels = to_float(clip["clip"])
            painted, kept, bits = self._judged(model, pixels)
            rows.append({name: psnr(video, pixels) for name, video in painted.items()} | {"tokens": kept, "bits": bits})
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
        """The last frame of each clip: source, linear painting, and one step with the tokens of the length rule."""
        assert isinstance(model, VTokTraining)
        rows = []
        for clip in clips:
            pixels = to_float(clip["clip"])
            painted, _, _ = self._judged(model, pixels)
            rows.append([video[0, :, -1] for video in (pixels, painted["psnr_base"], painted["psnr"])])
        return rows

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: the averaged tokenizer, and entropy tables fitted on training videos."""
        assert isinstance(model, VTokTraining)
        device = next(model.parameters()).device
        tables = fit_tables(model.tokenizer, (clip[None].to(device) for clip in _clips(self.index, self.recipe, TABLE_CLIPS)))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, model.tokenizer, tables, card(self.recipe, self.index, self.folder))
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")

    def _judged(self, model: VTokTraining, pixels: Tensor) -> tuple[dict[str, Tensor], float, float]:
        """Of one clip: what is painted, by the name of its figure; how many tokens the rule keeps; their estimated bits."""
        tokenizer = model.tokenizer
        width = pixels.new_tensor([step_of(QUALITIES[0])])
        context = empty_context(pixels, width)
        with torch.autocast(pixels.device.type, torch.bfloat16):
            latents: Latents = tokenizer.encode(pixels, context)
            gains = tokenizer.gains(float(width))
            symbols = {name: (values * gains[name]).round() for name, values in latents.items()}
            coded = {name: values / gains[name] for name, values in symbols.items()}
            lengths = tokenizer.lengths(pixels)
            most = {name: torch.full_like(kept, tokenizer.config.residuals) for name, kept in lengths.items()}
            base = tokenizer.painting(tokenizer.coded(coded, lengths, width)).base
            assert base is not None
            ways = {"psnr": (lengths, "diffusion"), "psnr_full": (most, "diffusion")}
            if tokenizer.coordinate is not None:
                ways["psnr_coordinate"] = lengths, "coordinate"
            painted = {
                name: tokenizer.decode(coded, kept, context, DecodeOptions(decoder=decoder)) for name, (kept, decoder) in ways.items()
            }
            residual = symbols["residual"].unflatten(1, (tokenizer.config.groups, -1))
            of_key, of_residual = model.bits(symbols["key"], residual, width)
        held = torch.arange(tokenizer.config.residuals, device=pixels.device) < lengths["residual"][..., None]
        told = float(tokenizer.config.spatial + lengths["residual"].sum())
        return {"psnr_base": base, **painted}, told, float(of_key.sum() + (of_residual * held).sum())


def thinned(tokenizer: VTok, clip: Tensor, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The key frame and a run of later frames of clips `[B, 3, T, H, W]`, `SEEN_FRAMES` in all or T: the frames, their times `[B, N]`, and
    which of them is the key frame `[B]`."""
    b, _, count, _, _ = clip.shape
    key = tokenizer.key_frame(clip)
    run = min(SEEN_FRAMES, count) - 1
    start = torch.randint(count - run, (b, 1), generator=generator, device=clip.device)
    later = start + torch.arange(run, device=clip.device)
    later = later + (later >= key[:, None])
    times = torch.cat((key[:, None], later), 1).sort(1).values
    return take(clip, times), times, (times < key[:, None]).sum(1)


def create_vtok(recipe: Recipe, index: Index, folder: Path, init: Path | None) -> tuple[VTokObjective, VTokTraining]:
    """The objective and model of a VTok recipe."""
    coordinate = COORDINATE_SIZES[recipe.size] if recipe.name == COORDINATE else None

    def make() -> VTok:
        tokenizer = VTok(replace(PRESETS[recipe.size], clip_frames=recipe.frames, coordinate=coordinate))
        start(tokenizer, list(_clips(index, recipe, FIT_CLIPS)))
        return tokenizer

    def grow(known: VTok) -> VTok:
        return grown(VTok(replace(known.config, coordinate=known.config.coordinate or coordinate)), known)

    return VTokObjective(index, recipe, folder), VTokTraining(started(VTok, folder, init, make, grow))


def _clips(index: Index, recipe: Recipe, count: int) -> Iterator[Tensor]:
    return training_clips(index, recipe.frames, recipe.crop, min(recipe.sides), count)


def start(tokenizer: VTok, clips: Sequence[Tensor]) -> None:
    """Fit what precedes training to clips float `[3, T, H, W]`: the linear painting, the patchifiers of the networks, the length rule."""
    linear, first = tokenizer.linear, tokenizer.config.key_frame == "first"
    fit_linear_key(clips, linear, first)
    with torch.no_grad():
        klt_start(tokenizer.encoder.patch_in, [patchify(clip[None, :, ::8], 1) for clip in clips])
        clip_start(tokenizer.decoder.base_in, clips)
    found = []
    for clip in clips:
        times = torch.arange(clip.shape[1])[None]
        found.append(log_distances(clip[None], Frames.of(tokenizer.key_frame(clip[None]), times, linear.group)).flatten())
    tokenizer.distances.copy_(torch.tensor([math.log(STILL), max(float(torch.cat(found).quantile(ENOUGH)), math.log(2 * STILL))]))


def _through(symbols: Tensor, rounded: Tensor) -> Tensor:
    """What symbols were rounded to, differentiated as if they had not been."""
    return symbols + (rounded - symbols).detach()
