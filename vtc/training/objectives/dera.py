"""Training DeRA: reconstruction, and the alignment of both streams with teachers, whose conflicts SACP projects away."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.contract import DecodeOptions
from vtc.tokenizers.dera import DIFFUSION_SIZES, PRESETS, STEP, DeRA
from vtc.tokenizers.keyframe import Frames, fit_linear_key
from vtc.tokenizers.layers.patch import PATCH_TIME, patchify, to_float
from vtc.tokenizers.layers.spectrum import spectrum
from vtc.tokenizers.teacher import AppearanceStandIn, MotionStandIn, Teacher
from vtc.training.data import Index
from vtc.training.objectives.card import card
from vtc.training.objectives.figures import psnr
from vtc.training.objectives.flow import flow, weight_of
from vtc.training.objectives.started import clip_start, grown, klt_start, started
from vtc.training.recipe import Recipe, Stage
from vtc.training.sacp import measure, project
from vtc.training.tables import empty_context, fit_tables, training_clips

APPEARANCE, MOTION = 1.0, 0.5  # the paper's weights of the alignment losses, after the projection
FIELD_WEIGHT = 4.0  # digits are shared out as if displacements were that much larger
FIT_CLIPS, TABLE_CLIPS = 80, 64
PLAIN, DIFFUSION = "dera-plain", "dera-diffusion"
"""The recipes without SACP, for comparison, and with the diffusion decoder in place of the coordinate decoder."""


class DeRATraining(nn.Module):
    """The tokenizer, and the two-layer heads from its patch outputs to the teachers' tokens."""

    def __init__(self, tokenizer: DeRA, appearance: Teacher, motion: Teacher) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        width = tokenizer.config.width
        self.to_appearance, self.to_motion = (
            nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, teacher.channels)) for teacher in (appearance, motion)
        )


class DeRAObjective:
    """See the module. `projected`: with SACP, else the alignment losses are only added."""

    prepare_key = "no base layer"

    def __init__(self, index: Index, recipe: Recipe, folder: Path, projected: bool = True) -> None:
        self.index, self.recipe, self.folder, self.projected = index, recipe, folder, projected
        self.appearance, self.motion = AppearanceStandIn(), MotionStandIn()

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Nothing beside the frames."""
        return {}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Reconstruction by the decoders that there are, and both alignments, projected in the shared encoder. Parts `align_…` are the
        mean cosines with the teachers' tokens, `gradient_cosine` is that between both alignments' gradients, `conflict` 1 where it is
        below zero."""
        assert isinstance(model, DeRATraining)
        tokenizer, clip = model.tokenizer, to_float(batch["clip"])
        latents, still, moving = tokenizer.analyse(clip)
        base = tokenizer.painting(latents)
        weight = weight_of(base, clip)
        total = torch.zeros((), device=clip.device)
        parts: dict[str, Tensor] = {}
        if tokenizer.coordinate is not None:
            tokens = tokenizer.coordinate.reader(latents["appearance"], latents["motion"])
            painted = tokenizer.coordinate.paint(tokens, base, None)
            parts["coordinate"] = ((painted - clip).square().mean((1, 2, 3, 4)) * weight).mean()
            total = total + parts["coordinate"]
        if tokenizer.diffusion is not None:
            tokens = tokenizer.diffusion.reader(latents["appearance"], latents["motion"])
            parts["flow"], _ = flow(tokenizer.diffusion.decoder, clip, tokens, tokenizer.told(base), generator)
            total = total + parts["flow"]
        to_still, to_moving = self._alignments(model, clip, still, moving)
        parts |= {"align_appearance": 1 - to_still.detach(), "align_motion": 1 - to_moving.detach()}
        shared = tokenizer.encoder.shared()
        if self.projected:
            to_still, to_moving, conflict = project(to_still, to_moving, shared)
        else:
            pair = [torch.autograd.grad(x, shared, retain_graph=True, allow_unused=True) for x in (to_still, to_moving)]
            conflict = measure(pair[0], pair[1])
        parts |= {"conflict": conflict.present, "gradient_cosine": conflict.cosine}
        return total + APPEARANCE * to_still + MOTION * to_moving, parts

    def _alignments(self, model: DeRATraining, clip: Tensor, still: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
        """1 - mean cosine between each stream's patch outputs, through its head, and its teacher's tokens."""
        first = clip[:, :, :1].expand(-1, -1, PATCH_TIME, -1, -1)
        pairs = ((model.to_appearance(still), self.appearance.tokens(first)), (model.to_motion(moving), self.motion.tokens(clip)))
        of_still, of_moving = (1 - F.cosine_similarity(own.float(), theirs, dim=-1).mean() for own, theirs in pairs)
        return of_still, of_moving

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """PSNR (dB, of each clip's mean squared error, then averaged) of the linear painting, of the default decoder in one step, and of
        the diffusion decoder where it is the second; the cosines of both alignments; digits that are not zero, a token."""
        assert isinstance(model, DeRATraining)
        rows = []
        for clip in clips:
            pixels = to_float(clip["clip"])
            painted, latents = self._judged(model, pixels)
            with torch.autocast(pixels.device.type, torch.bfloat16):
                _, still, moving = model.tokenizer.analyse(pixels)
                to_still, to_moving = (1 - float(x) for x in self._alignments(model, pixels, still, moving))
            told = float(torch.cat(list(latents.values()), 1).ne(0).float().mean()) * model.tokenizer.config.channels
            row = {name: psnr(video, pixels) for name, video in painted.items()}
            rows.append(row | {"align_appearance": to_still, "align_motion": to_moving, "digits": told})
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
        """The last frame of each clip: source, linear painting, and the default decoder."""
        assert isinstance(model, DeRATraining)
        rows = []
        for clip in clips:
            pixels = to_float(clip["clip"])
            painted, _ = self._judged(model, pixels)
            rows.append([video[0, :, -1] for video in (pixels, painted["psnr_base"], painted["psnr"])])
        return rows

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: the averaged tokenizer, and entropy tables fitted on training videos."""
        assert isinstance(model, DeRATraining)
        device = next(model.parameters()).device
        clips = (clip[None].to(device) for clip in _clips(self.index, self.recipe, TABLE_CLIPS))
        tables = fit_tables(model.tokenizer, clips, (1.0,))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, model.tokenizer, tables, card(self.recipe, self.index, self.folder))
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")

    def _judged(self, model: DeRATraining, pixels: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What is painted of a clip, by the name of its figure, and its digits."""
        tokenizer, context = model.tokenizer, empty_context(pixels, STEP)
        with torch.autocast(pixels.device.type, torch.bfloat16):
            latents = tokenizer.encode(pixels, context)
            painted = {
                name: tokenizer.decode(latents, {}, context, DecodeOptions(decoder=decoder))
                for name, decoder in zip(("psnr", "psnr_diffusion"), tokenizer.decoders)
            }
            return {"psnr_base": tokenizer.painting(latents), **painted}, latents


def create_dera(recipe: Recipe, index: Index, folder: Path, init: Path | None) -> tuple[DeRAObjective, DeRATraining]:
    """The objective and model of a DeRA recipe."""

    def make() -> DeRA:
        config = PRESETS[recipe.size]
        if recipe.name == DIFFUSION:
            config = replace(config, coordinate=None, diffusion=DIFFUSION_SIZES[recipe.size])
        tokenizer = DeRA(config)
        start(tokenizer, list(_clips(index, recipe, FIT_CLIPS)))
        return tokenizer

    def grow(known: DeRA) -> DeRA:
        if recipe.name != DIFFUSION or known.diffusion is not None:
            return known
        both = grown(DeRA(replace(known.config, diffusion=DIFFUSION_SIZES[recipe.size])), known)
        assert both.diffusion is not None
        clip_start(both.diffusion.decoder.base_in, _clips(index, recipe, FIT_CLIPS))
        return both

    objective = DeRAObjective(index, recipe, folder, projected=recipe.name != PLAIN)
    return objective, DeRATraining(started(DeRA, folder, init, make, grow), objective.appearance, objective.motion)


def _clips(index: Index, recipe: Recipe, count: int) -> Iterator[Tensor]:
    return training_clips(index, recipe.frames, recipe.crop, min(recipe.sides), count)


@torch.no_grad()
def start(tokenizer: DeRA, clips: Sequence[Tensor]) -> None:
    """Fit what precedes training to clips float `[3, T, H, W]`: the linear start, which digit tells what, the patchifiers."""
    linear, config = tokenizer.linear, tokenizer.config
    fit_linear_key(clips, linear, first=True)
    frames = torch.cat([linear.key(clip[:, ::4].transpose(0, 1)) for clip in clips])
    spectra = spectrum(frames.mT.unflatten(2, (linear.cells, -1))).flatten(1)
    tokenizer.appearance.fit(spectra.std(0))
    left = []
    for clip in clips:
        told = Frames.of(torch.zeros(1, dtype=torch.long), torch.arange(clip.shape[1])[None], config.group)
        own = spectrum(linear.key(clip[None, :, 0]).mT.unflatten(2, (linear.cells, -1))).flatten(1)
        picture = tokenizer.picture(tokenizer.appearance(own))
        left.append(linear.residual(clip[None], told, picture, lambda fields: fields)[0])
    deviation = torch.cat(left).square().mean(0).sqrt()
    weight = torch.ones_like(deviation)
    weight[: linear.field_size] = FIELD_WEIGHT
    tokenizer.motion.fit(deviation, weight)
    klt_start(tokenizer.encoder.frame_in, [patchify(clip[None, :, ::4], 1) for clip in clips])
    clip_start(tokenizer.encoder.clip_in, clips)
    if tokenizer.diffusion is not None:
        clip_start(tokenizer.diffusion.decoder.base_in, clips)
