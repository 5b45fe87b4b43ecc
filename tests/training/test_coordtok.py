"""CoordTok's objective and that of a second decoder, from a folder of clips to a bundle that codes a clip."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator

import vtc
from vtc.errors import TrainingError
from vtc.media import SinkInfo, open_sink, render_scene
from vtc.tokenizers.base import BaseConfig
from vtc.tokenizers.bundle import load_bundle
from vtc.tokenizers.contract import DecodeOptions
from vtc.tokenizers.coordinate import CoordinateConfig, Lattice, whole
from vtc.tokenizers.coordtok import PRESETS, CoordTok, CoordTokConfig
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.tokenizers.onedva import PRESETS as ONEDVA
from vtc.tokenizers.onedva import OneDVAConfig
from vtc.training import perceptual
from vtc.training.cache import build_cache
from vtc.training.data import index_folders
from vtc.training.loop import Options, run
from vtc.training.objectives import create
from vtc.training.objectives.places import consecutive, coordinates_of, patches_at, pictures, scattered
from vtc.training.objectives.second import SIZES
from vtc.training.recipe import Recipe, Stage, find_recipe
from vtc.training.tables import empty_context

SMALL = CoordTokConfig(
    clip_frames=16, side=64, width=24, heads=2, patch_depth=1, depth=1, tubelet_time=8, plane_time=4, plane_side=8, latent_time=2,
    latent_side=4, features=(16, 8), decoder=CoordinateConfig(width=24, heads=2, depth=1, points=128),
)  # fmt: skip
STAGES = (Stage("coordinates", 0.6), Stage("frames", 0.4))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rendered clips; one is shorter than two clips of the recipe."""
    root = tmp_path_factory.mktemp("clips")
    for name, frames in (("a", 32), ("b", 11)):
        with open_sink(root / f"{name}.mp4", SinkInfo(96, 64, time_base=Fraction(1, 25), frame_rate=None)) as sink:
            for i, frame in enumerate(render_scene(96, 64, frames, 25)):
                sink.write(frame, i, 1)
    return root


class Grey(perceptual.Perceptual):
    """A stand-in: how far apart two pictures are when they are shrunk."""

    def __init__(self) -> None:
        super().__init__("grey-distance")

    def distance(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return (first.mean((2, 3)) - second.mean((2, 3))).square().mean(1)


def test_from_a_folder_to_a_bundle_that_codes(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    monkeypatch.setattr("vtc.training.objectives.coordtok.find_perceptual", Grey)
    recipe = Recipe("coordtok", "coordtok", "tiny", batch=2, lr=1e-3, crop=64, sides=(64,), cache_frames=32, hold=True, stages=STAGES)
    index = index_folders([folder])
    objective, model = create(recipe, index, tmp_path / "run", None)
    cache = build_cache(index, recipe, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    assert len(cache.train) + len(cache.held) == 2, "the short one holds its last frame"
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = run(recipe, objective, model, cache, tmp_path / "run", Options(steps=12, device="cpu"))
    assert outcome.finished and np.isfinite(list(outcome.figures.values())).all()
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert any("grey-distance" in line for line in lines)
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    assert {"tokenizer.encoder.xy.outward.weight", "tokenizer.decoder.head.weight", "log_scale.0"} <= moved
    assert not any(key.startswith("tokenizer.linear.") for key in moved)
    bundle = tmp_path / "coordtok-tiny.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    card = load_bundle(bundle).card
    assert card["perceptual"] == "grey-distance" and card["recipe"]["name"] == "coordtok"
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    coarse, fine = (vtc.encode(folder / "a.mp4", tmp_path / f"{q}.vtc", model="coordtok", quality=q) for q in (20, 80))
    assert "static" in coarse.entropy and coarse.bytes < fine.bytes
    with vtc.open(tmp_path / "80.vtc") as video:
        assert len(video) == 32


def test_a_second_decoder_for_a_bundle(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SIZES, "tiny", CoordinateConfig(width=24, heads=2, depth=1, points=64))
    monkeypatch.setitem(ONEDVA, "tiny", OneDVAConfig(
        width=24, heads=2, depth=1, queries=8, base=BaseConfig(coefficients=16), decoder=DiffusionConfig(24, 2, 1, 8, 1)))  # fmt: skip
    recipe = Recipe("onedva-coordinate", "onedva", "tiny", batch=2, lr=3e-3, crop=64, sides=(64,), cache_frames=32)
    index = index_folders([folder])
    with pytest.raises(TrainingError, match="trained already"):
        create(recipe, index, tmp_path / "run", None)
    create(replace(recipe, name="onedva"), index, tmp_path / "first", None)
    first = tmp_path / "first" / "start.safetensors"
    objective, model = create(recipe, index, tmp_path / "run", first)
    cache = build_cache(index, recipe, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = run(recipe, objective, model, cache, tmp_path / "run", Options(steps=8, device="cpu"))
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    assert moved and all(key.startswith("tokenizer.coordinate.") for key in moved)
    bundle = tmp_path / "both.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    grown, old = load_bundle(bundle).tokenizer, load_bundle(first).tokenizer
    assert grown.decoders == ("diffusion", "coordinate") and old.decoders == ("diffusion",)
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    vtc.encode(folder / "a.mp4", tmp_path / "a.vtc", model=str(bundle))
    found = []
    for decoder in (None, "diffusion", "coordinate"):
        vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy", decoder=decoder, overwrite=True)
        found.append(np.load(tmp_path / "a.npy"))
    assert (found[0] == found[1]).all() and (found[1] != found[2]).any()
    vtc.decode(tmp_path / "a.vtc", tmp_path / "b.npy", decoder="coordinate", crop=(10, 10, 30, 20))
    assert np.abs(np.load(tmp_path / "b.npy").astype(int) - found[2][:, 10:30, 10:40]).mean() < 1


def test_places_and_their_pixels() -> None:
    grid, patch = (4, 2, 3), (2, 8, 8)
    clip = torch.rand(2, 3, 8, 16, 24)
    places = consecutive(grid, 12, 2, Generator().manual_seed(1), torch.device("cpu"))
    assert places.shape == (2, 12, 3)
    shown = pictures(patches_at(clip, places, patch), grid, patch)
    for item, first in enumerate(places[:, 0, 0].tolist()):
        assert torch.equal(shown[item], clip[item, :, 2 * first : 2 * first + 4])
    drawn = scattered(grid, 20, 3, Generator().manual_seed(0), torch.device("cpu"))
    assert drawn.shape == (3, 20, 3) and all(len(item.unique(dim=0)) == 20 for item in drawn)
    every = scattered(grid, 99, 1, Generator().manual_seed(0), torch.device("cpu"))
    found = coordinates_of(every, grid)[0]
    wanted = Lattice.of(whole((8, 16, 24)), patch, grid).coordinates(grid, torch.device("cpu"))[0]
    assert {tuple(row) for row in found.tolist()} == {tuple(row) for row in wanted.tolist()}


def test_memory_of_a_step_hangs_on_coordinates_not_on_pixels() -> None:
    """What is kept for the backward pass beside clip and weights, for clips of 16 and 64 frames in as many tubelets and slots."""
    kept = []
    for frames in (16, 64):
        scale = frames // 16
        config = CoordTokConfig(
            clip_frames=frames, side=64, width=24, heads=2, patch_depth=1, depth=1, tubelet_time=8 * scale, plane_time=4, plane_side=8,
            latent_time=2, latent_side=4, features=(4, 4), linear=False,
            decoder=CoordinateConfig(width=24, heads=2, depth=1, points=256, patch_time=1),
        )  # fmt: skip
        model, clip = CoordTok(config), torch.zeros(1, 3, frames, 64, 64)
        known = {tensor.untyped_storage().data_ptr() for tensor in (clip, *model.parameters())}
        sizes: list[int] = []

        def count(tensor: torch.Tensor, known: set[int] = known, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(0 if tensor.untyped_storage().data_ptr() in known else tensor.numel())
            return tensor

        grid = config.decoder.grid(model.size)
        places = scattered(grid, 256, 1, Generator().manual_seed(0), torch.device("cpu"))
        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            model.decoder(model.planes(clip), coordinates_of(places, grid), grid).sum()
        kept.append(sum(sizes))
    assert kept[1] < 1.1 * kept[0]


def test_recipes_are_there() -> None:
    for size in ("tiny", "small", "base", "official"):
        recipe = find_recipe("coordtok", size)
        assert recipe.frames == PRESETS[size].clip_frames and recipe.crop == PRESETS[size].side
    assert find_recipe("onedva-coordinate", "tiny").tokenizer == "onedva"


def test_perceptual_distances_are_found_by_their_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VTC_METRIC_WEIGHTS", raising=False)
    assert perceptual.find_perceptual() is None
    monkeypatch.setenv("VTC_METRIC_WEIGHTS", str(tmp_path))
    assert perceptual.find_perceptual() is None
    (tmp_path / "squeezenet1_0_caffe_fp16.safetensors").touch()
    found = perceptual.find_perceptual()
    assert found is not None and found.name == perceptual.FEATURES


def test_an_empty_context_tells_the_size() -> None:
    context = empty_context(torch.zeros(2, 3, 8, 32, 48), 0.5)
    assert context.step.tolist() == [0.5, 0.5] and context.side is not None and context.side.shape == (2, 3, 2, 2, 3)
    assert DecodeOptions().decoder == ""
