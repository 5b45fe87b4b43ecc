"""Training One-DVA: flow matching over the base picture, rate of the 1D latents, self-alignment and alignment with a teacher."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vtc.codec.quality import step_of
from vtc.entropy import fit_sequence
from vtc.tokenizers.base import BaseLayer
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import Context, DecodeOptions
from vtc.tokenizers.diffusion import NOISE, timesteps
from vtc.tokenizers.layers.length import cut, training_length
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.onedva import PRESETS, QUERY_BOUND, OneDVA
from vtc.tokenizers.teacher import StandInTeacher
from vtc.training.cache import read_frames
from vtc.training.data import Index
from vtc.training.objectives.base_fit import BaseFit, fit_base, spec_of
from vtc.training.recipe import Recipe, Stage

FULL_NOISE = 0.5  # One-DVA: 0.1; half, because one step is our default decode
LEAST_REST = 0.1  # 1 - t is held above this in the weight of the velocity loss
ERROR_FLOOR = 4e-4  # 40 dB: errors are weighed against those of the base picture, down to this
SELF_ALIGNMENT, NEIGHBOURS, TEACHER = 0.01, 0.1, 0.01
NEW_GROUP = 0.25
FIT_VIDEOS, FIT_FRAMES = 96, 48


class OneDVATraining(nn.Module):
    """The tokenizer and what only training needs: a logistic rate model of the 1D latents and the heads of the alignment losses."""

    def __init__(self, tokenizer: OneDVA) -> None:
        super().__init__()
        c = tokenizer.config
        self.tokenizer = tokenizer
        self.log_scale = nn.Parameter(torch.zeros(c.queries, c.query_channels))
        self.to_structural = nn.Linear(c.query_channels, c.width)
        self.to_teacher = nn.Sequential(
            nn.Linear(c.decoder.width, c.decoder.width), nn.SiLU(), nn.Linear(c.decoder.width, StandInTeacher.channels)
        )

    def bits(self, query: Tensor) -> Tensor:
        """Estimated bits `[B, K]` of (noisy) 1D latents `[B, K, C]`."""
        scale = self.log_scale.float().exp()
        mass = torch.sigmoid((query + 0.5) / scale) - torch.sigmoid((query - 0.5) / scale)
        return -torch.log2(mass.clamp_min(1e-6)).sum(-1)


class OneDVAObjective:
    """See the module. `base` is a copy of the model's base layer for the worker processes that fill the cache."""

    def __init__(self, base: BaseLayer, fit: BaseFit, index: Index, recipe: Recipe, folder: Path) -> None:
        self.base, self.fit, self.index, self.recipe, self.folder = base, fit, index, recipe, folder
        self.prepare_key = f"base {base.config} {base.basis.double().sum():.9e} {base.symbol_bits.double().sum():.6e}"
        self.teacher = StandInTeacher()

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Run the base layer: `base` uint8 [T, 3, H, W], `step` [T], `side` float16 [T/4, 3, H/16, W/16]. Groups begin at random."""
        video = torch.from_numpy(np.ascontiguousarray(frames.swapaxes(0, 1)))
        last: Tensor | None = None
        step, pictures, steps, sides = 0.0, [], [], []
        for part in video.split(16, 1):
            if last is None or rng.random() < NEW_GROUP:
                last, step = None, step_of(float(np.clip(rng.normal(50, 20), 0, 100)))
            segment = self.base.encode(part, last, step)
            last = segment.frames[:, -1]
            pictures.append(segment.frames)
            steps += [step] * part.shape[1]
            sides.append(self.base.side(segment.motion, segment.structural))
        return {
            "base": torch.cat(pictures, 1).numpy().swapaxes(0, 1),
            "step": np.asarray(steps, np.float32),
            "side": torch.cat(sides, 1).half().numpy().swapaxes(0, 1),
        }

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Stage without latents: the structural path alone, in one step. Else all losses; with the encoder frozen (post-training) latents
        are rounded as in a file instead of noised."""
        assert isinstance(model, OneDVATraining)
        tokenizer = model.tokenizer
        clip, context = to_float(batch["clip"]), _context(batch)
        b, device = len(clip), clip.device
        base, most = context.base, tokenizer.config.queries
        assert base is not None
        latents, patches = tokenizer.encode_hidden(clip, context)
        query = latents["query"]
        noise = torch.rand(query.shape, generator=generator, device=device) - 0.5
        lengths, t = torch.zeros(b, dtype=torch.long, device=device), torch.zeros(b, device=device)
        if stage.latents:
            lengths = training_length(tokenizer.lengths(clip), most, generator)
            t = timesteps(b, FULL_NOISE, generator, device)
        bits = (model.bits(query + noise) * (torch.arange(most, device=device) < lengths[:, None])).sum(1)
        seen = _rounded(query) if "tokenizer.encoder" in stage.frozen else query + noise
        at, sigma = t.view(-1, 1, 1, 1, 1), (NOISE * context.step).view(-1, 1, 1, 1, 1)
        z = base + at * (clip - base) + (1 - at) * sigma * torch.randn(clip.shape, generator=generator, device=device)
        clean, middle = tokenizer.decoder(z, t, tokenizer.tokens(seen, lengths), context)
        weight = 1 / ((base - clip).square().mean((1, 2, 3, 4)) + ERROR_FLOOR)
        error = (clean - clip).square().mean((1, 2, 3, 4))
        flow = (error * weight / (1 - t).clamp_min(LEAST_REST).square()).mean()
        price = self.base.config.lagrangian * context.step.square() * bits / clip[0].numel()
        rate = (price * weight).mean()
        teacher = 1 - F.cosine_similarity(model.to_teacher(middle).float(), self.teacher.tokens(clip), dim=-1).mean()
        alignment = self_alignment(model.to_structural(query.to(patches.dtype)), patches.detach())
        total = flow + rate + TEACHER * teacher + SELF_ALIGNMENT * alignment * stage.latents
        one = (t == 0).float()
        gain = ((error * weight).log() * one).sum() / one.sum().clamp_min(1) * (-10 / np.log(10))
        parts = {
            "flow": flow,
            "rate": rate,
            "bits": bits.mean(),
            "gain_db": gain,
            "teacher": teacher,
            "alignment": alignment,
        }
        return total, parts

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        """PSNR (dB, of each clip's mean squared error, then averaged) of the base picture, and of one step with no 1D latents, with those
        of the length rule and with all of them; tokens the rule keeps; their estimated bits."""
        assert isinstance(model, OneDVATraining)
        rows = []
        for clip in clips:
            tokenizer, pixels, context = model.tokenizer, to_float(clip["clip"]), _context(clip)
            assert context.base is not None
            with torch.autocast(pixels.device.type, torch.bfloat16):
                query = _rounded(tokenizer.encode(pixels, context)["query"])
                rule, most = tokenizer.lengths(pixels), torch.tensor([query.shape[1]], device=pixels.device)
                painted = [
                    tokenizer.decode({"query": query}, kept, context, DecodeOptions())
                    for kept in (0 * rule, rule, most)
                ]
                bits = cut(model.bits(query)[..., None], rule).sum()
            rows.append([_psnr(p, pixels) for p in (context.base, *painted)] + [float(rule), float(bits)])
        names = ("psnr_base", "psnr_structural", "psnr", "psnr_full", "tokens", "bits")
        return dict(zip(names, np.mean(rows, 0).tolist(), strict=True))

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: the averaged tokenizer, the base layer's tables, and tables of the 1D latents fitted on training videos."""
        assert isinstance(model, OneDVATraining)
        tokenizer = model.tokenizer
        query = next(stream for stream in tokenizer.streams if stream.name == "query")
        samples: list[tuple[np.ndarray, np.ndarray]] = []
        for frames in sample_videos(self.index, self.recipe, FIT_VIDEOS):
            arrays = self.prepare(frames, np.random.default_rng(len(samples)))
            for at in range(0, len(frames) - 15, 16):
                samples.append(self._symbols(tokenizer, frames, arrays, at))
        whole = np.concatenate([symbols for symbols, _ in samples])
        lengths = np.concatenate([kept for _, kept in samples])
        models = {**self.fit.models, "query": fit_sequence(spec_of(query), query.positions, [(whole, lengths)])}
        entropy = {f"{name}.{key}": array for name, m in models.items() for key, array in m.to_arrays().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, tokenizer, entropy, self._card())
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")

    @torch.no_grad()
    def _symbols(
        self, tokenizer: OneDVA, frames: np.ndarray, arrays: dict[str, np.ndarray], at: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Symbols [1, K, C] and kept length [1] of the 1D latents of one clip."""
        part = {
            "clip": frames[at : at + 16],
            "base": arrays["base"][at : at + 16],
            "side": arrays["side"][at // 4 : at // 4 + 4],
        }
        batch = {name: torch.from_numpy(np.ascontiguousarray(a.swapaxes(0, 1)))[None] for name, a in part.items()}
        batch["step"] = torch.from_numpy(arrays["step"][None, at : at + 16])
        batch = {name: tensor.to(next(tokenizer.parameters()).device) for name, tensor in batch.items()}
        clip = to_float(batch["clip"])
        with torch.autocast(clip.device.type, torch.bfloat16):
            query = _rounded(tokenizer.encode(clip, _context(batch))["query"])
        return query.cpu().numpy().astype(np.int32), tokenizer.lengths(clip).cpu().numpy()

    def _card(self) -> dict[str, Any]:
        """Provenance: recipe, data, and the run's log from its first and last lines."""
        card: dict[str, Any] = {"recipe": json.loads(self.recipe.to_json()), "manifest": self.index.manifest}
        card["sources"] = self.index.sources
        log = self.folder / "log.jsonl"
        lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        judged = [line for line in lines if "psnr" in line]
        if judged:
            card |= {"start": judged[0], "end": judged[-1]}
        return card


def create_onedva(
    recipe: Recipe, index: Index, folder: Path, init: Path | None
) -> tuple[OneDVAObjective, OneDVATraining]:
    """The objective and model of a One-DVA recipe. The fit of the base layer is done once for a run and read again when resuming."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = OneDVA(PRESETS[recipe.size])
    assert tokenizer.base is not None
    started = folder / "start.safetensors"
    if init is None and not started.exists():
        clips = sample_videos(index, recipe, FIT_VIDEOS)
        fit = fit_base(tokenizer.base, tokenizer.streams, clips, lambda text: print(text, flush=True))
        tokenizer.start(tokenizer.base.basis, tokenizer.base.mean)
        tokenizer.motion_statistics.copy_(torch.tensor(fit.motion_statistics))
        entropy = {f"{name}.{key}": array for name, m in fit.models.items() for key, array in m.to_arrays().items()}
        save_bundle(started, tokenizer, entropy, {})
    bundle = load_bundle(init or started, dtype=torch.float32)
    assert isinstance(bundle.tokenizer, OneDVA) and bundle.tokenizer.base is not None
    tokenizer = bundle.tokenizer.requires_grad_(True)
    return OneDVAObjective(
        bundle.tokenizer.base, _fit_of(bundle.entropy, tokenizer), index, recipe, folder
    ), OneDVATraining(tokenizer)


def sample_videos(index: Index, recipe: Recipe, count: int) -> list[np.ndarray]:
    """Up to `count` training videos of at least 16 frames, uint8 `[T, 3, H, W]`, at the recipe's sizes in turn."""
    videos: list[np.ndarray] = []
    for clip in index.clips:
        if clip.held or len(videos) == count:
            continue
        try:
            frames = read_frames(clip, recipe.sides[len(videos) % len(recipe.sides)], 0.3, FIT_FRAMES)
        except Exception as problem:  # a broken file is skipped here as in the cache, which lists it
            print(f"{clip.name}: {problem}", flush=True)
            continue
        if len(frames) >= 16:
            videos.append(frames[: len(frames) // 16 * 16])
    return videos


def self_alignment(query: Tensor, structural: Tensor) -> Tensor:
    """One-DVA's self-alignment, our reading: each projected 1D latent `[B, K, D]` to its best-matching structural one `[B, N, D]`, and
    neighbours to each other."""
    q, s = F.normalize(query.float(), dim=-1), F.normalize(structural.float(), dim=-1)
    best = (q @ s.mT).amax(-1)
    neighbours = (q[:, 1:] * q[:, :-1]).sum(-1)
    return (1 - best).mean() + NEIGHBOURS * (1 - neighbours).mean()


def _context(batch: dict[str, Tensor]) -> Context:
    return Context(batch["step"][:, 0], to_float(batch["base"]), batch["side"].float())


def _rounded(query: Tensor) -> Tensor:
    return query.round().clamp(-QUERY_BOUND, QUERY_BOUND)


def _psnr(a: Tensor, b: Tensor) -> float:
    return float(10 * torch.log10(4 / (a.float() - b).square().mean().clamp_min(1e-9)))


def _fit_of(entropy: dict[str, np.ndarray], tokenizer: OneDVA) -> BaseFit:
    """The fit of the base layer back from a bundle."""
    from vtc.entropy import StaticModel

    models = {}
    for stream in tokenizer.streams:
        own = {key.partition(".")[2]: a for key, a in entropy.items() if key.startswith(f"{stream.name}.")}
        if own and stream.kind == "grid":
            models[stream.name] = StaticModel.from_arrays(spec_of(stream), own)
    centre, spread = tokenizer.motion_statistics.tolist()
    return BaseFit(models, (centre, spread))
