"""From folders of videos to a bundle: index, fit, cache, training, export, in the order of the house."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from vtc.training.cache import Cache, build_cache
from vtc.training.data import Index, index_folders
from vtc.training.loop import Options, Outcome, run
from vtc.training.objectives import create
from vtc.training.parallel import join
from vtc.training.recipe import Recipe
from vtc.training.report import Reporter


@dataclass(frozen=True)
class Folders:
    """Where a run reads and writes: folders of videos, the run's own, the cache's (the run's when None), and folders of
    clips that are kept for evaluation.
    """

    data: Sequence[Path]
    out: Path
    cache: Path | None = None
    evaluation: Sequence[Path] = ()


@dataclass(frozen=True)
class Trained:
    """`bundle` is None of a run that was stopped, and in processes other than the first (`first`)."""

    outcome: Outcome
    cache: Cache
    bundle: Path | None
    first: bool


def train(
    recipe: Recipe,
    folders: Folders,
    options: Options,
    init: Path | None = None,
    workers: int | None = None,
    reporter: Reporter | None = None,
) -> Trained:
    """Train `recipe`, from the bundle `init` on where one is given, and write `out/NAME-SIZE.safetensors`.

    `workers` processes fill the cache (all cores when None). Under torchrun every process calls this; the first one fits,
    caches, judges, writes and speaks (to `reporter`). Raises `TrainingError` for data that cannot be used.
    """
    silent, out = Reporter(), folders.out
    with join() as world:
        voice = reporter if reporter and world.first else silent
        index = index_folders(folders.data, options.seed, folders.evaluation)
        voice.say(f"{len(index.clips)} videos: " + ", ".join(f"{n} of {s}" for s, n in sorted(index.sources.items())))
        out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(options.seed)  # of weights that start at random
        with world.first_goes_ahead():
            objective, model = create(recipe, index, out, init)
            cache = build_cache(
                index,
                recipe,
                folders.cache or out / "cache",
                objective.prepare,
                objective.prepare_key,
                seed=options.seed,
                workers=workers,
                reporter=voice,
            )
        if world.first:
            _tell_data(out / "data.json", index, cache)
        for name, reason in cache.skipped.items():
            voice.warn(f"{name} is left out: {reason}")
        voice.say(f"{len(cache.train)} videos to train on, {len(cache.held)} held out")
        outcome = run(recipe, objective, model, cache, out, options, voice, world)
        bundle = out / f"{recipe.name}-{recipe.size}.safetensors" if outcome.finished and world.first else None
        if bundle is not None:
            objective.export(outcome.model, bundle, voice.say)
        elif not outcome.finished:
            voice.say(f"stopped at step {outcome.step}; the checkpoint is written, go on with --resume")
        return Trained(outcome, cache, bundle, world.first)


def _tell_data(path: Path, index: Index, cache: Cache) -> None:
    """Write down what the run trains on, what it is judged on, and what it could not use."""
    facts = {
        "manifest": index.manifest,
        "sources": index.sources,
        "train": [entry.name for entry in cache.train],
        "held": [entry.name for entry in cache.held],
        "skipped": cache.skipped,
    }
    path.write_text(json.dumps(facts, indent=1, ensure_ascii=False))
