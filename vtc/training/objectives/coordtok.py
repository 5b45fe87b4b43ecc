"""Training CoordTok: squared error at random coordinates and the rate of the planes; then whole frames with a perceptual loss.

The paper's two phases. Ours: planes are rounded with a step drawn for every clip, gradients passing straight through, and their bits,
estimated of noised planes, are weighed against the error (arXiv 2007.08739); errors count relative to those of the linear start, so that
calm clips weigh as much as wild ones. A diffusion decoder, where a recipe asks for one, is trained beside it on whole clips.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.utils.checkpoint import checkpoint

from vtc.codec.quality import step_of
from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.contract import DecodeOptions
from vtc.tokenizers.coordtok import DIFFUSION_SIZES, NAMES, PRESETS, CoordTok
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.planes import LinearPlanes, Planes, fit_bases
from vtc.training.data import Index
from vtc.training.objectives.card import card
from vtc.training.objectives.figures import LAGRANGIAN, logistic_bits, psnr
from vtc.training.objectives.flow import ERROR_FLOOR, flow
from vtc.training.objectives.onedva import QUALITIES
from vtc.training.objectives.places import (
    consecutive,
    coordinates_of,
    patches_at,
    pictures,
    scattered,
    slots_at_once,
)
from vtc.training.objectives.started import clip_start, grown, started
from vtc.training.perceptual import Perceptual, find_perceptual
from vtc.training.recipe import Recipe, Stage
from vtc.training.tables import empty_context, fit_tables, training_clips

PERCEPTUAL = 0.2  # the paper's is 1, against errors that are not weighed
SEEN_FRAMES = 4  # of those that are painted in the second phase, seen by the perceptual loss
WHOLE_FRAMES = "frames"  # name of the second phase
FIT_CLIPS, TABLE_CLIPS = 64, 64
DIFFUSION = "coordtok-diffusion"  # the recipe that trains a diffusion decoder as well
COARSE = 4.0  # planes bear a step of so many times that of pixels: most of the error is what they cannot hold


class CoordTokTraining(nn.Module):
    """The tokenizer and a logistic rate model of its planes, a scale for every channel."""

    def __init__(self, tokenizer: CoordTok) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        shapes = tokenizer.config.planes()
        self.log_scale = nn.ParameterList(nn.Parameter(torch.zeros(shape[2])) for shape in shapes)
        if tokenizer.linear is not None:
            deviation = tokenizer.linear.deviation.float().split([shape[2] for shape in shapes])
            for scale, spread, gain in zip(self.log_scale, deviation, tokenizer.gain.float()):
                scale.data.copy_((0.5 * spread * gain / step_of(QUALITIES[0])).clamp_min(0.1).log())

    def bits(self, symbols: Planes) -> Tensor:
        """Estimated bits `[B]` of (noised) symbols of the planes."""
        parts = zip(symbols, self.log_scale)
        return torch.stack([logistic_bits(plane, scale).sum((1, 2)) for plane, scale in parts]).sum(0)


class CoordTokObjective:
    """See the module. `perceptual` is None where no weights are at hand: then the second phase has the squared error alone."""

    prepare_key = "coordtok"

    def __init__(self, index: Index, recipe: Recipe, folder: Path, perceptual: Perceptual | None) -> None:
        self.index, self.recipe, self.folder, self.perceptual = index, recipe, folder, perceptual

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Nothing is kept beside the frames."""
        return {}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """First phase: coordinates at random, as many a clip as the decoder takes at once. Second phase: the slots of frames that a decode
        takes at once."""
        assert isinstance(model, CoordTokTraining)
        tokenizer, clip = model.tokenizer, batch["clip"]
        frames = stage.name == WHOLE_FRAMES
        steps = _steps(len(clip), generator, clip.device)
        symbols = tokenizer.scaled(tokenizer.planes(clip), steps)
        noised = [plane + torch.rand(plane.shape, generator=generator, device=clip.device) - 0.5 for plane in symbols]
        bits = model.bits((noised[0], noised[1], noised[2]))
        # Noise in the decoder's place, too, would be learned: most symbols are zero, and what is zero has no noise in a file.
        seen = [plane + (short.round() - plane).detach() for plane, short in zip(symbols, tokenizer.shrunk(symbols))]
        planes = tokenizer.unscaled((seen[0], seen[1], seen[2]), steps)
        config, grid = tokenizer.config.decoder, tokenizer.config.decoder.grid(tokenizer.size)
        places = (consecutive if frames else scattered)(grid, config.points, len(clip), generator, clip.device)
        network = tokenizer.decoder(tokenizer.read(planes), coordinates_of(places, grid), grid, tokenizer.told(steps))
        target, painted = patches_at(clip, places, config.patch), (places, network, *planes)
        # Clip by clip, and again for the gradient: patches at many places would be the largest arrays of all.
        alone = partial(checkpoint, _errors, tokenizer.linear, use_reentrant=False)
        error, before = map(torch.cat, zip(*(alone(*one) for one in zip(*(each.split(1) for each in (target, *painted))))))
        weight = 1 / (before + ERROR_FLOOR)
        coarse = steps / tokenizer.gain[1]  # the step of the strips' coefficients, whose basis is orthonormal
        price = LAGRANGIAN * coarse.square() * bits / clip[0].numel()
        distortion, rate = (error * weight).mean(), (price * weight).mean()
        parts = {"error": distortion, "rate": rate, "bits": bits.mean()}
        parts["gain_db"] = 10 * torch.log10(before / error.clamp_min(1e-9)).mean()
        total = distortion + rate
        if frames and self.perceptual is not None:
            count = slots_at_once(grid, config.points) * config.patch_time
            pick = torch.randperm(count, generator=generator, device=clip.device)[:SEEN_FRAMES]
            both = _painted(tokenizer.linear, *painted)[0], to_float(target)
            videos = (pictures(patches, grid, config.patch)[:, :, pick] for patches in both)
            shown, meant = (video.transpose(1, 2).flatten(0, 1) for video in videos)
            parts[self.perceptual.name] = self.perceptual.distance(shown, meant).mean()
            total = total + PERCEPTUAL * parts[self.perceptual.name]
        if tokenizer.diffusion is not None and tokenizer.reader is not None:
            with torch.autocast(clip.device.type, enabled=False):
                context = replace(empty_context(clip, steps), base=tokenizer.base_picture(planes))
            parts["flow"], _ = flow(tokenizer.diffusion, to_float(clip), tokenizer.reader(tokenizer.read(planes)), context, generator)
            total = total + parts["flow"]
        return total, parts

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """At quality 50, whole clips decoded from rounded planes: PSNR (dB, of each clip's mean squared error, then averaged), that of one
        step of the diffusion decoder where there is one, and estimated bits a pixel."""
        assert isinstance(model, CoordTokTraining)
        tokenizer, rows = model.tokenizer, []
        for clip in clips:
            pixels = to_float(clip["clip"])
            steps = torch.full((1,), step_of(QUALITIES[0]), device=pixels.device)
            with torch.autocast(pixels.device.type, torch.bfloat16):
                xy, yt, xt = tokenizer.shrunk(tokenizer.scaled(tokenizer.planes(pixels), steps))
                rounded = xy.round(), yt.round(), xt.round()
                planes = tokenizer.unscaled(rounded, steps)
                latents = {name: plane.flatten(1, 2) for name, plane in zip(NAMES, planes)}
                context = empty_context(pixels, steps)
                painted = {
                    name: tokenizer.decode(latents, {}, context, DecodeOptions(decoder=decoder))
                    for name, decoder in zip(("psnr", "psnr_diffusion"), tokenizer.decoders)
                }
            row = {name: psnr(video, pixels) for name, video in painted.items()}
            rows.append(row | {"bpp": float(model.bits(rounded)) / pixels[0, 0].numel()})
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}

    def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
        """The middle frame of each clip: source, and decoded at quality 50."""
        assert isinstance(model, CoordTokTraining)
        tokenizer, rows = model.tokenizer, []
        for clip in clips:
            pixels = to_float(clip["clip"])
            steps = torch.full((1,), step_of(QUALITIES[0]), device=pixels.device)
            with torch.autocast(pixels.device.type, torch.bfloat16):
                painted = tokenizer.paint(tokenizer.planes(pixels), steps).clamp(-1, 1)
            rows.append([video[0, :, video.shape[2] // 2] for video in (pixels, painted)])
        return rows

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: the averaged tokenizer, and tables fitted on training clips."""
        assert isinstance(model, CoordTokTraining)
        device = next(model.parameters()).device
        clips = (clip[None].to(device) for clip in _clips(self.index, self.recipe, TABLE_CLIPS))
        told = {**card(self.recipe, self.index, self.folder), "perceptual": self.perceptual.name if self.perceptual else "none"}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, model.tokenizer, fit_tables(model.tokenizer, clips), told)
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")


def _clips(index: Index, recipe: Recipe, count: int) -> Iterator[Tensor]:
    return training_clips(index, recipe.frames, recipe.crop, min(recipe.sides), count)


def _painted(linear: LinearPlanes | None, place: Tensor, network: Tensor, *planes: Tensor) -> tuple[Tensor, Tensor]:
    """Patches `[B, N, P]` float32 at grid places, and those of the linear path alone (grey where there is none)."""
    if linear is None:
        return network.float(), torch.zeros_like(network, dtype=torch.float32)
    with torch.autocast(place.device.type, enabled=False):
        alone = linear.patches((planes[0], planes[1], planes[2]), place)
    return alone + network, alone


def _errors(linear: LinearPlanes | None, target: Tensor, *painted: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared errors `[B]` of what `_painted` gives, against patches uint8."""
    both, alone = _painted(linear, *painted)
    meant = to_float(target)
    return (both - meant).square().mean((1, 2)), (alone.detach() - meant).square().mean((1, 2))


def _steps(count: int, generator: Generator, device: torch.device) -> Tensor:
    """Steps `[B]` of qualities around 50."""
    drawn = QUALITIES[0] + QUALITIES[1] * torch.randn(count, generator=generator, device=device)
    return torch.tensor([step_of(float(quality)) for quality in drawn.clamp(0, 100)], device=device)


def create_coordtok(
    recipe: Recipe, index: Index, folder: Path, init: Path | None
) -> tuple[CoordTokObjective, CoordTokTraining]:
    """The objective and model of a CoordTok recipe."""
    diffusion = DIFFUSION_SIZES[recipe.size] if recipe.name == DIFFUSION else None

    def make() -> CoordTok:
        tokenizer = CoordTok(replace(PRESETS[recipe.size], diffusion=diffusion))
        if tokenizer.linear is not None:
            fit_bases(_clips(index, recipe, FIT_CLIPS), tokenizer.linear, every=4)
            tokenizer.gain.copy_(torch.tensor([tokenizer.clip_frames**0.5, 1.0, 1.0]) / COARSE)
        return _begun(tokenizer, index, recipe)

    def grow(known: CoordTok) -> CoordTok:
        if diffusion is None or known.diffusion is not None:
            return known
        return _begun(grown(CoordTok(replace(known.config, diffusion=diffusion)), known), index, recipe)

    perceptual = find_perceptual() if any(stage.name == WHOLE_FRAMES for stage in recipe.stages) else None
    objective = CoordTokObjective(index, recipe, folder, perceptual)
    return objective, CoordTokTraining(started(CoordTok, folder, init, make, grow))


def _begun(tokenizer: CoordTok, index: Index, recipe: Recipe) -> CoordTok:
    """The tokenizer, whose untrained diffusion decoder, if it has one, begins with the KLT of patches."""
    if tokenizer.diffusion is not None:
        clip_start(tokenizer.diffusion.base_in, _clips(index, recipe, FIT_CLIPS))
    return tokenizer
