"""What makes a small model better for the same compute: short runs of variants of onedva-tiny, each of the same time of one core.

    python -m benchmarks.ablations --data train --work runs/ablations --minutes 5

Variants that the folder `--work` holds already are not run again, so more can be added.
"""

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Limit, Out, Report, clips, parallel

PROTOCOL = """All variants share videos (`--limit` of the folder, evenly chosen), the base layer fitted to them, the KLT start
and the seed, and train by the recipe's schedule for as many steps as take `--minutes` of processor time on one thread,
measured over 4 steps of the longest stage after 2 that do not count, once for each architecture. Judged by the averaged
weights on every sixth video, which is not trained on, first 16 frames, middle 128×128, at the base layer's rates: the gain in
PSNR (dB, of each clip's mean squared error, then averaged) over the base picture, without 1D latents, with those of the
length rule and with all; and the estimated bits of those of the rule. `baseline` runs again with another seed: the difference
of the two is what the others must beat to mean anything."""

PRESET, BASELINE = "tiny", "baseline"
JUDGED = 6
WARM_UP, TIMED = 2, 4
WIDE, NARROW = {"width": 240, "heads": 5}, {"width": 144, "heads": 3}  # heads of 48 channels, as the recipe's


@dataclass(frozen=True)
class Variant:
    """What differs from onedva-tiny: fields of the recipe, of the tokenizer and of its decoder, constants of the objective."""

    name: str
    recipe: dict[str, Any] = field(default_factory=dict)
    tokenizer: dict[str, Any] = field(default_factory=dict)
    decoder: dict[str, Any] = field(default_factory=dict)
    constants: dict[str, float] = field(default_factory=dict)
    seed: int = 0


VARIANTS = (
    Variant(BASELINE),
    Variant("baseline, seed 1", seed=1),
    Variant("learning rate 4e-4", recipe={"lr": 4e-4}),
    Variant("learning rate 1.6e-3", recipe={"lr": 1.6e-3}),
    Variant("learning rate 3.2e-3", recipe={"lr": 3.2e-3}),
    Variant("wider, flatter (240 × 2 + 3)", tokenizer=WIDE | {"depth": 2}, decoder=WIDE | {"depth": 3}),
    Variant("narrower, deeper (144 × 5 + 7)", tokenizer=NARROW | {"depth": 5}, decoder=NARROW | {"depth": 7}),
    Variant("transformers halved (2 + 2)", tokenizer={"depth": 2}, decoder={"depth": 2}),
    Variant("un-patchifier 32 × 4", decoder={"channels": 32}),
    Variant("un-patchifier 64 × 4", decoder={"channels": 64}),
    Variant("un-patchifier 48 × 2", decoder={"blocks": 2}),
    Variant("un-patchifier 48 × 8", decoder={"blocks": 8}),
    Variant("U-Net 32 × 2 + 96 × 3", decoder={"channels": 32, "blocks": 2, "inner_channels": 96, "inner_blocks": 3}),
    Variant("U-Net 32 × 2 + 64 × 6", decoder={"channels": 32, "blocks": 2, "inner_channels": 64, "inner_blocks": 6}),
    Variant("quarter size 96 × 4", decoder={"channels": 32, "blocks": 0, "inner_channels": 96, "inner_blocks": 4}),
    Variant(
        "wider decoder, U-Net 32 × 1 + 96 × 3",
        decoder=WIDE | {"channels": 32, "blocks": 1, "inner_channels": 96, "inner_blocks": 3},
    ),
    Variant("shift, U-Net 32 × 1 + 96 × 3", decoder={"channels": 32, "blocks": 1, "inner_channels": 96, "inner_blocks": 3, "shift": True}),
    Variant("turned", recipe={"turned": True}),
    Variant("turned, half recoloured", recipe={"turned": True, "recoloured": 0.5}),
    Variant("full noise 0.1", constants={"FULL_NOISE": 0.1}),
    Variant("full noise 0.9", constants={"FULL_NOISE": 0.9}),
    Variant("EMA 0.99", recipe={"ema": 0.99}),
    Variant("EMA 0.9999", recipe={"ema": 0.9999}),
    Variant("crops of 64 and 128", recipe={"crops": (64,)}),
    Variant("crops of 128 and 240", recipe={"crops": (240,)}),
    Variant("half and double speed", recipe={"speeds": (1.0, 1.0, 1.0, 2.0, 0.5)}),
    Variant("batches of 4", recipe={"batch": 4}),
)


@dataclass(frozen=True)
class Job:
    variant: Variant
    data: Path
    work: Path
    minutes: float


def main(
    data: Annotated[Path, typer.Option("--data", envvar="VTC_DATA", help="Folder of training clips.", exists=True)],
    work: Annotated[Path, typer.Option("--work", help="Folder of the runs.")],
    minutes: Annotated[float, typer.Option("--minutes", help="Processor time of each variant.")] = 5.0,
    only: Annotated[str, typer.Option("--only", help="Some variants, separated by semicolons.")] = "",
    limit: Limit = 96,
    out: Out = RESULTS,
) -> None:
    report = Report("ablations", "Variants of onedva-tiny at equal compute", PROTOCOL)
    wanted = [name.strip() for name in only.split(";") if name.strip()]
    unknown = set(wanted) - {variant.name for variant in VARIANTS}
    if unknown:
        raise typer.BadParameter(f"no variant {', '.join(sorted(unknown))}", param_hint="--only")
    folder = work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(clips(data, limit)):
        link = folder / path.parent.name / f"{number:04}{path.suffix}"
        link.parent.mkdir(exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    chosen = [variant for variant in VARIANTS if not wanted or variant.name in wanted]
    jobs = [Job(variant, folder, work, minutes) for variant in chosen]
    report.rows = list(parallel(train, jobs, 1))
    order = sorted(report.rows, key=lambda row: -row["gain"])
    lines = [
        [
            row["variant"], f"{row['parameters'] / 1e6:.1f} M", f"{row['gflop_step']:.0f}", f"{row['seconds_step']:.2f}", str(row["steps"]),
            *(f"{row[name]:+.3f}" for name in ("gain_structural", "gain", "gain_full")), f"{row['bits']:.0f}",
        ]
        for row in order
    ]  # fmt: skip
    header = ["variant", "parameters", "GFLOP a step", "s a step", "steps", "dB, no 1D latents", "dB", "dB, all", "bits of 1D latents"]
    report.table(header, lines, f"{minutes:g} minutes of one core each, best first")
    report.write(out)


def train(job: Job) -> dict[str, Any]:
    """The row of a variant; from its folder where it has run for as long before."""
    folder = job.work / "".join(c if c.isalnum() else "-" for c in job.variant.name)
    done = folder / f"row-{job.minutes:g}.json"
    if not done.exists():
        row = run(job.variant, job.data, job.work, folder / f"{job.minutes:g}", job.minutes)
        done.write_text(json.dumps(row))
    found: dict[str, Any] = json.loads(done.read_text())
    return found


def run(variant: Variant, data: Path, work: Path, folder: Path, minutes: float) -> dict[str, Any]:
    """Train a variant from the start that all share. This process is its own: what is changed here goes with it."""
    import copy
    from dataclasses import replace

    import torch

    from vtc.tokenizers.onedva import PRESETS
    from vtc.training.batches import Batches
    from vtc.training.cache import build_cache
    from vtc.training.data import index_folders
    from vtc.training.loop import Options
    from vtc.training.loop import run as train_loop
    from vtc.training.objectives import create, onedva
    from vtc.training.recipe import find_recipe
    from vtc.training.watch import Rhythm

    torch.set_num_threads(1)
    torch.manual_seed(variant.seed)
    recipe, index = find_recipe("onedva", PRESET), index_folders([data])
    create(recipe, index, work / "start", None)  # the fit, once for all
    recipe = replace(recipe, **variant.recipe)
    plain = PRESETS[PRESET]
    config = replace(plain, **variant.tokenizer, decoder=replace(plain.decoder, **variant.decoder))
    for name, value in variant.constants.items():
        assert hasattr(onedva, name)
        setattr(onedva, name, value)
    restart(work / "start" / "start.safetensors", config, folder)
    objective, model = create(recipe, index, folder, None)
    cache = build_cache(index, recipe, work / "cache", objective.prepare, objective.prepare_key, workers=1)
    every = sorted((*cache.train, *cache.held), key=lambda entry: entry.name)
    held = tuple(every[::JUDGED])
    cache = replace(cache, train=tuple(entry for entry in every if entry not in held), held=held)
    batches = Batches(cache, recipe)
    known = work / f"price-{hashlib.sha256(repr((config, recipe.batch, recipe.crops)).encode()).hexdigest()[:16]}.json"
    if not known.exists():
        known.write_text(json.dumps(price(copy.deepcopy(model), objective, recipe, batches)))
    seconds, flop = json.loads(known.read_text())
    steps = max(1, round(60 * minutes / seconds))
    options = Options(steps=steps, device="cpu", threads=1, seed=variant.seed, rhythm=Rhythm(evaluate_minutes=1e9))
    outcome = train_loop(recipe, objective, model, cache, folder, options)
    with torch.no_grad():
        figures = objective.evaluate(outcome.model, batches.held_out(len(held)))
    gains = {name.replace("psnr", "gain"): figures[name] - figures["psnr_base"] for name in ("psnr_structural", "psnr", "psnr_full")}
    size = sum(p.numel() for p in model.parameters())
    cost = {"parameters": size, "gflop_step": flop / 1e9, "seconds_step": seconds, "steps": steps}
    return {"variant": variant.name, **cost, **figures, **gains}


def restart(start: Path, config: Any, folder: Path) -> None:
    """The start of a run for another configuration, on the base layer, tables and KLT of the bundle `start`."""
    import torch

    from vtc.tokenizers.bundle import load_bundle, save_bundle
    from vtc.tokenizers.onedva import OneDVA

    bundle = load_bundle(start, dtype=torch.float32)
    fitted, tokenizer = bundle.tokenizer, OneDVA(config)
    assert isinstance(fitted, OneDVA) and fitted.base is not None and tokenizer.base is not None
    tokenizer.base.load_state_dict(fitted.base.state_dict())
    tokenizer.motion_statistics.copy_(fitted.motion_statistics)
    tokenizer.start(fitted.base.basis.float(), fitted.base.mean.float())
    folder.mkdir(parents=True, exist_ok=True)
    save_bundle(folder / "start.safetensors", tokenizer, bundle.entropy, {})


def price(model: Any, objective: Any, recipe: Any, batches: Any) -> tuple[float, int]:
    """Processor seconds and floating-point operations of a step."""
    import torch

    from vtc.training.trainer import Trainer

    trainer = Trainer(recipe, objective, model, torch.device("cpu"), seed=0)
    stage = max(recipe.stages, key=lambda stage: stage.share)
    taken = [[batches.batch(step)] for step in range(WARM_UP + TIMED)]
    for batch in taken[:WARM_UP]:
        trainer.advance(batch, stage, 1.0)
    began = time.process_time()
    for batch in taken[WARM_UP:]:
        trainer.advance(batch, stage, 1.0)
    seconds = (time.process_time() - began) / TIMED
    return seconds, sum(trainer.flops(batch, stage) for batch in taken[WARM_UP:]) // TIMED


if __name__ == "__main__":
    typer.run(main)
