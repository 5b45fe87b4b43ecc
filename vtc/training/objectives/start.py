"""Before a One-DVA run: the KLT, the base layer and its tables are fitted to a sample of the training videos, or read from a bundle."""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from vtc.codec.streams import BASE_STREAMS
from vtc.codec.symbols import EDGES, LEARNED
from vtc.entropy import StaticModel
from vtc.errors import TrainingError
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.onedva import PRESETS, OneDVA
from vtc.training.data import Index
from vtc.training.objectives.base_fit import (
    FIT_VIDEOS,
    BaseFit,
    fit_base,
    fit_prices,
    motion_statistics,
    sample_klt,
    sample_videos,
    spec_of,
)
from vtc.training.objectives.onedva import OneDVAObjective, OneDVATraining
from vtc.training.objectives.second import SIZES, SecondDecoderObjective, with_coordinates
from vtc.training.recipe import Recipe

SECOND = "onedva-coordinate"  # the recipe of a second decoder; --init names the bundle that gets it


def create_onedva(
    recipe: Recipe, index: Index, folder: Path, init: Path | None
) -> tuple[OneDVAObjective, OneDVATraining]:
    """The objective and model of a One-DVA recipe. The fit of the base layer is done once for a run and read again when resuming."""
    folder.mkdir(parents=True, exist_ok=True)
    started = folder / "start.safetensors"
    if not started.exists():
        if init is None and recipe.name == SECOND:
            raise TrainingError("a second decoder is for a bundle that is trained already", "name it with --init")
        if init is None:
            _start(recipe, index, started)
        elif not _renewed(recipe, index, init, started):
            shutil.copyfile(init, started)
    bundle = load_bundle(started, dtype=torch.float32)
    if not isinstance(bundle.tokenizer, OneDVA):
        raise TrainingError(f"{init} is no One-DVA bundle", "start without --init, or from another bundle")
    fit = _fit_of(bundle.entropy, bundle.tokenizer)
    if recipe.name == SECOND:
        tokenizer = with_coordinates(bundle.tokenizer, SIZES[recipe.size])
        model = OneDVATraining(tokenizer)
        for parameter in (model.log_scale, *model.to_structural.parameters(), *model.to_teacher.parameters()):
            parameter.requires_grad_(False)
        return SecondDecoderObjective(bundle, fit, index, recipe, folder), model
    tokenizer = bundle.tokenizer.requires_grad_(True)
    return OneDVAObjective(tokenizer.base, fit, index, recipe, folder), OneDVATraining(tokenizer)


def _renewed(recipe: Recipe, index: Index, init: Path, path: Path) -> bool:
    """Whether the base layer of the bundle `init` codes otherwise than that of today's preset, or has streams without tables. Then the
    bundle, with the base layer of the preset, is kept at `path`: its KLT stays, its tables are fitted anew, and training teaches the
    network the other pictures."""
    bundle, preset = load_bundle(init, dtype=torch.float32), PRESETS[recipe.size].base
    known = bundle.tokenizer
    if recipe.name != "onedva" or preset is None or not isinstance(known, OneDVA) or known.config.base is None:
        return False
    wanted = replace(known.config.base, overlap=preset.overlap)  # what its encoder weighs is its own: tables hold for that too
    if known.config.base == wanted and set(BASE_STREAMS) <= set(_fit_of(bundle.entropy, known).models):
        return False
    tokenizer = OneDVA(replace(known.config, base=wanted))
    tokenizer.load_state_dict(known.state_dict())
    assert tokenizer.base is not None
    fit = fit_prices(tokenizer.base, tokenizer.streams, _fit_videos(index, recipe), _say)
    kept = {name: array for name, array in bundle.entropy.items() if name.partition(".")[0] not in fit.models or name.endswith(EDGES)}
    save_bundle(path, tokenizer, kept | _entropy(fit), bundle.card)
    return True


def _fit_videos(index: Index, recipe: Recipe) -> list[torch.Tensor]:
    clips = sample_videos(index, recipe, FIT_VIDEOS)
    return [torch.from_numpy(np.ascontiguousarray(clip.swapaxes(0, 1))) for clip in clips]


def _entropy(fit: BaseFit) -> dict[str, np.ndarray]:
    return {f"{name}.{key}": array for name, model in fit.models.items() for key, array in model.to_arrays().items()}


def _start(recipe: Recipe, index: Index, path: Path) -> None:
    """Fit what precedes training, and keep it as a bundle."""
    config = PRESETS[recipe.size]
    tokenizer = OneDVA(config if recipe.name == "onedva" else replace(config, base=None))
    videos = _fit_videos(index, recipe)
    if tokenizer.base is not None:
        fit = fit_base(tokenizer.base, tokenizer.streams, videos, _say)
        tokenizer.start(tokenizer.base.basis, tokenizer.base.mean)
    else:
        fit = BaseFit({}, motion_statistics(videos))
        tokenizer.start(*sample_klt(videos, config.structural_channels, _say))
    tokenizer.motion_statistics.copy_(torch.tensor(fit.motion_statistics))
    save_bundle(path, tokenizer, _entropy(fit), {})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fit_of(entropy: dict[str, np.ndarray], tokenizer: OneDVA) -> BaseFit:
    """The fit of the base layer back from a bundle: what its streams are coded with hangs on nothing that training changes."""
    models = {}
    for stream in tokenizer.streams:
        own = {
            key.partition(".")[2]: a
            for key, a in entropy.items()
            if key.startswith(f"{stream.name}.") and not key.endswith(EDGES) and not _is_learned(key)
        }
        if own and stream.kind == "grid":
            models[stream.name] = StaticModel.from_arrays(spec_of(stream), own)
    centre, spread = tokenizer.motion_statistics.tolist()
    learned = {key: array for key, array in entropy.items() if key.partition(".")[0] in models and _is_learned(key)}
    return BaseFit(models, (centre, spread), learned)


def _is_learned(key: str) -> bool:
    return key.partition(".")[2].startswith(LEARNED)
