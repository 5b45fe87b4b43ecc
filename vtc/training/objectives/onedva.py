"""Training One-DVA: flow matching over the base picture, rate of the 1D latents, self-alignment and alignment with a teacher."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from vtc.codec.ground import Ground, Reference, ground_of, inherited
from vtc.codec.lookahead import of_group
from vtc.codec.quality import step_of
from vtc.codec.streams import SIDE_OF
from vtc.codec.symbols import EDGES
from vtc.entropy import fit_grid, fit_sequence
from vtc.tokenizers.base import STEP_EDGES, STRUCTURAL_BOUND, BaseLayer
from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.contract import Context, DecodeOptions, Latents
from vtc.tokenizers.diffusion import NOISE, timesteps
from vtc.tokenizers.layers.length import cut, training_length
from vtc.tokenizers.layers.patch import to_float
from vtc.tokenizers.onedva import QUERY_BOUND, OneDVA
from vtc.tokenizers.teacher import StandInTeacher
from vtc.training.data import Index
from vtc.training.objectives.base_fit import FIT_VIDEOS, BaseFit, sample_videos, spec_of
from vtc.training.objectives.card import card
from vtc.training.objectives.figures import LAGRANGIAN, logistic_bits, psnr
from vtc.training.recipe import Recipe, Stage

FULL_NOISE = 0.85  # One-DVA: 0.1; most of it, because one step is our default decode
LEAST_REST = 0.1  # 1 - t is held above this in the weight of the velocity loss
ERROR_FLOOR = 4e-4  # 40 dB: errors are weighed against those of the base picture, down to this
SELF_ALIGNMENT, NEIGHBOURS, TEACHER = 0.01, 0.1, 0.01
NEW_GROUP = 0.25
QUALITIES = (50, 20)  # mean and deviation of the qualities that are trained for


class OneDVATraining(nn.Module):
    """The tokenizer and what only training needs: a logistic rate model of the 1D latents and the heads of the alignment losses."""

    def __init__(self, tokenizer: OneDVA) -> None:
        super().__init__()
        c = tokenizer.config
        self.tokenizer = tokenizer
        self.log_scale = nn.Parameter(torch.zeros(c.queries, c.query_channels))
        if c.base is None:
            self.structural_log_scale = nn.Parameter(torch.zeros(c.structural_channels))
        self.to_structural = nn.Linear(c.query_channels, c.width)
        self.to_teacher = nn.Sequential(
            nn.Linear(c.decoder.width, c.decoder.width), nn.SiLU(), nn.Linear(c.decoder.width, StandInTeacher.channels)
        )

    def bits(self, query: Tensor) -> Tensor:
        """Estimated bits `[B, K]` of (noisy) 1D latents `[B, K, C]`."""
        return logistic_bits(query, self.log_scale)

    def structural_bits(self, symbols: Tensor) -> Tensor:
        """Estimated bits `[B]` of the structural latents of the form without a base layer, `[B, N, C]` in units of the step."""
        return logistic_bits(symbols, self.structural_log_scale).sum(1)


class OneDVAObjective:
    """See the module. `base`: the model's base layer, None in the paper's form."""

    def __init__(self, base: BaseLayer | None, fit: BaseFit, index: Index, recipe: Recipe, folder: Path) -> None:
        self.base, self.fit, self.index, self.recipe, self.folder = base, fit, index, recipe, folder
        self.prepare_key = "no base layer"
        if base is not None:
            self.prepare_key = (
                f"parted {base.config} {base.basis.double().sum():.9e} {base.symbol_bits.double().sum():.6e}"
            )
        self.teacher = StandInTeacher()

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Run the base layer as the codec does: `base` uint8 [T, 3, H, W], `step` [T] (the one that the network is told), `side` float16
        [T/4, 4, H/16, W/16]. Groups begin at random."""
        if self.base is None:
            return {}
        video = torch.from_numpy(np.ascontiguousarray(frames.swapaxes(0, 1)))
        parts = video.split(16, 1)
        groups = np.cumsum([rng.random() < NEW_GROUP for _ in parts])
        pictures, steps, sides = [], [], []
        for group in np.unique(groups):
            own = [part for part, number in zip(parts, groups, strict=True) if number == group]
            for ground in self._grounds(own, step_of(float(np.clip(rng.normal(*QUALITIES), 0, 100)))):
                pictures.append(ground.frames)
                steps += [float(ground.step)] * ground.frames.shape[1]
                sides.append(ground.side)
        return {
            "base": torch.cat(pictures, 1).numpy().swapaxes(0, 1),
            "step": np.asarray(steps, np.float32),
            "side": torch.cat(sides, 1).half().numpy().swapaxes(0, 1),
        }

    def _grounds(self, parts: Sequence[Tensor], step: float) -> Iterator[Ground]:
        """What the base layer gives the network of the segments of one group, uint8 `[3, T, H, W]` each."""
        assert self.base is not None
        last: Reference | None = None
        for part, levels in zip(parts, of_group(parts, step), strict=True):
            segment = self.base.encode(part, None if last is None else last.frame, step, finer=levels)
            segment = replace(segment, finer=inherited(segment.finer, segment.structural, last))
            ground = ground_of(segment, last, step)
            last = ground.end
            yield ground

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Stage without latents: the structural path alone, in one step. Else all losses; with the encoder frozen (post-training) latents
        are rounded as in a file instead of noised."""
        assert isinstance(model, OneDVATraining)
        tokenizer = model.tokenizer
        clip, context = to_float(batch["clip"]), context_of(batch, generator)
        b, device = len(clip), clip.device
        most = tokenizer.config.queries
        latents, patches = tokenizer.encode_hidden(clip, context)
        query = latents["query"]
        noise = torch.rand(query.shape, generator=generator, device=device) - 0.5
        lengths, t = torch.zeros(b, dtype=torch.long, device=device), torch.zeros(b, device=device)
        if stage.latents:
            lengths = training_length(tokenizer.lengths(clip)["query"][:, 0], most, generator)
            t = timesteps(b, FULL_NOISE, generator, device)
        bits = (model.bits(query + noise) * (torch.arange(most, device=device) < lengths[:, None])).sum(1)
        seen = _rounded(query) if "tokenizer.encoder" in stage.frozen else query + noise
        if tokenizer.base is None:
            structural = latents["structural"] / context.step.view(-1, 1, 1)
            structural = structural + torch.rand(structural.shape, generator=generator, device=device) - 0.5
            bits = bits + model.structural_bits(structural)
            context = tokenizer.completed({"structural": structural * context.step.view(-1, 1, 1)}, context)
        base = context.base
        assert base is not None
        at, sigma = t.view(-1, 1, 1, 1, 1), (NOISE * context.step).view(-1, 1, 1, 1, 1)
        z = base + at * (clip - base) + (1 - at) * sigma * torch.randn(clip.shape, generator=generator, device=device)
        clean, middle = tokenizer.decoder(z, t, tokenizer.tokens(seen, lengths), context)
        weight = 1 / ((base.detach() - clip).square().mean((1, 2, 3, 4)) + ERROR_FLOOR)
        error = (clean - clip).square().mean((1, 2, 3, 4))
        flow = (error * weight / (1 - t).clamp_min(LEAST_REST).square()).mean()
        price = LAGRANGIAN * context.step.square() * bits / clip[0].numel()
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
            tokenizer, pixels, context = model.tokenizer, to_float(clip["clip"]), context_of(clip)
            with torch.autocast(pixels.device.type, torch.bfloat16):
                latents, bits = as_coded(model, tokenizer.encode(pixels, context), context)
                context = tokenizer.completed(latents, context)
                rule = tokenizer.lengths(pixels)["query"]
                most = torch.full_like(rule, latents["query"].shape[1])
                painted = [
                    tokenizer.decode(latents, {"query": kept}, context, DecodeOptions())
                    for kept in (0 * rule, rule, most)
                ]
                bits = bits + cut(model.bits(latents["query"])[..., None], rule[:, 0]).sum()
            assert context.base is not None
            rows.append([psnr(p, pixels) for p in (context.base, *painted)] + [float(rule), float(bits)])
        names = ("psnr_base", "psnr_structural", "psnr", "psnr_full", "tokens", "bits")
        return dict(zip(names, np.mean(rows, 0).tolist(), strict=True))

    def pictures(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> list[list[Tensor]]:
        """The middle frame of each clip: source, base picture, and one step with the latents of the length rule."""
        assert isinstance(model, OneDVATraining)
        rows = []
        for clip in clips:
            tokenizer, pixels, context = model.tokenizer, to_float(clip["clip"]), context_of(clip)
            with torch.autocast(pixels.device.type, torch.bfloat16):
                latents, _ = as_coded(model, tokenizer.encode(pixels, context), context)
                context = tokenizer.completed(latents, context)
                painted = tokenizer.decode(latents, tokenizer.lengths(pixels), context, DecodeOptions())
            assert context.base is not None
            rows.append([video[0, :, video.shape[2] // 2] for video in (pixels, context.base, painted)])
        return rows

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        """Write the bundle: the averaged tokenizer, the base layer's tables, and tables of the 1D latents fitted on training videos."""
        assert isinstance(model, OneDVATraining)
        tokenizer = model.tokenizer
        gathered: dict[str, list[np.ndarray]] = {"query": [], "structural": []}
        lengths = []
        for i, frames in enumerate(sample_videos(self.index, self.recipe, FIT_VIDEOS)):
            arrays = {"clip": frames, **self.prepare(frames, np.random.default_rng(i))}
            for at in range(0, len(frames) - 15, 16):
                symbols, kept = self._symbols(tokenizer, arrays, at)
                lengths.append(kept)
                for name, array in symbols.items():
                    gathered[name].append(array)
        models = dict(self.fit.models)
        for stream in tokenizer.streams:
            if stream.kind == "sequence":
                whole = np.concatenate(gathered[stream.name]), np.concatenate(lengths)
                models[stream.name] = fit_sequence(spec_of(stream), stream.positions, [whole])
            elif stream.name not in models:
                models[stream.name] = fit_grid(spec_of(stream), [(array, None) for array in gathered[stream.name]])
        entropy = {f"{name}.{key}": array for name, m in models.items() for key, array in m.to_arrays().items()}
        if tokenizer.base is not None:
            entropy |= {f"{name}.{EDGES}": np.asarray(STEP_EDGES) for name in SIDE_OF} | dict(self.fit.learned)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_bundle(path, tokenizer, entropy, card(self.recipe, self.index, self.folder))
        path.chmod(0o644)
        log(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")

    @torch.no_grad()
    def _symbols(
        self, tokenizer: OneDVA, arrays: dict[str, np.ndarray], at: int
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Symbols of one clip, query [1, K, C] and, without a base layer, structural [S, gh, gw, C]; and the kept length [1]."""
        device = next(tokenizer.parameters()).device
        batch = {}
        for name, array in arrays.items():
            part = array[at // 4 : at // 4 + 4] if name == "side" else array[at : at + 16]
            part = part.swapaxes(0, 1) if part.ndim == 4 else part
            batch[name] = torch.from_numpy(np.ascontiguousarray(part))[None].to(device)
        clip, context = to_float(batch["clip"]), context_of(batch, torch.Generator(device).manual_seed(at))
        with torch.autocast(device.type, torch.bfloat16):
            latents = tokenizer.encode(clip, context)
        symbols = {"query": _rounded(latents["query"])}
        if "structural" in latents:
            grid = latents["structural"].unflatten(1, (4, clip.shape[3] // 16, clip.shape[4] // 16))[0]
            symbols["structural"] = (grid / context.step).round().clamp(-STRUCTURAL_BOUND, STRUCTURAL_BOUND)
        kept = tokenizer.lengths(clip)["query"][:, 0]
        return {name: s.cpu().numpy().astype(np.int32) for name, s in symbols.items()}, kept.cpu().numpy()


def self_alignment(query: Tensor, structural: Tensor) -> Tensor:
    """One-DVA's self-alignment, our reading: each projected 1D latent `[B, K, D]` to its best-matching structural one `[B, N, D]`, and
    neighbours to each other."""
    q, s = F.normalize(query.float(), dim=-1), F.normalize(structural.float(), dim=-1)
    best = (q @ s.mT).amax(-1)
    neighbours = (q[:, 1:] * q[:, :-1]).sum(-1)
    return (1 - best).mean() + NEIGHBOURS * (1 - neighbours).mean()


def context_of(batch: dict[str, Tensor], generator: Generator | None = None) -> Context:
    """The context of a batch; without a base layer a step is drawn for every clip, or that of quality 50 without a generator."""
    if "base" in batch:
        return Context(batch["step"][:, 0], to_float(batch["base"]), batch["side"].float())
    clip = batch["clip"]
    b, _, t, h, w = clip.shape
    quality = torch.full((b,), float(QUALITIES[0]), device=clip.device)
    if generator is not None:
        quality = quality + QUALITIES[1] * torch.randn(b, generator=generator, device=clip.device)
    step = torch.tensor([step_of(float(q)) for q in quality.clamp(0, 100)], device=clip.device)
    return Context(step, None, torch.zeros(b, 3, t // 4, h // 16, w // 16, device=clip.device))


def as_coded(model: OneDVATraining, latents: Latents, context: Context) -> tuple[Latents, Tensor]:
    """Latents rounded as in a file, and the estimated bits of the structural ones that the network codes."""
    coded = {"query": _rounded(latents["query"])}
    bits = torch.zeros((), device=context.step.device)
    if "structural" in latents:
        step = context.step.view(-1, 1, 1)
        symbols = (latents["structural"] / step).round()
        coded["structural"], bits = symbols * step, model.structural_bits(symbols).sum()
    return coded, bits


def _rounded(query: Tensor) -> Tensor:
    return query.round().clamp(-QUERY_BOUND, QUERY_BOUND)
