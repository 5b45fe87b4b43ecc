"""One-DVA's objective in both forms, from a folder of clips to a bundle that codes a clip."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import vtc
from vtc.codec.quality import step_of
from vtc.media import SinkInfo, open_sink, render_scene
from vtc.tokenizers.base import BaseConfig
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.tokenizers.onedva import PRESETS, OneDVA, OneDVAConfig
from vtc.training.cache import build_cache
from vtc.training.data import index_folders
from vtc.training.loop import Options, run
from vtc.training.objectives import create, onedva
from vtc.training.objectives.onedva import OneDVAObjective, self_alignment
from vtc.training.recipe import Recipe, Stage
from vtc.training.watch import Rhythm

SMALL = OneDVAConfig(
    width=48,
    heads=2,
    depth=1,
    queries=8,
    structural_channels=24,
    base=BaseConfig(coefficients=24),
    decoder=DiffusionConfig(48, 2, 1, 16, 1),
)
STAGES = (
    Stage("structural", 0.3, latents=False),
    Stage("latents", 0.4),
    Stage("post", 0.3, frozen=("tokenizer.encoder",)),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short rendered clips."""
    root = tmp_path_factory.mktemp("clips")
    for name, first in (("a", 0), ("b", 40)):
        sink = open_sink(root / f"{name}.mp4", SinkInfo(96, 64, time_base=Fraction(1, 25), frame_rate=None))
        for i, frame in enumerate(list(render_scene(96, 64, first + 32, 25))[first:]):
            sink.write(frame, i, 1)
        sink.close()
    return root


@pytest.mark.parametrize("name", ["onedva", "onedva-paper"])
def test_from_a_folder_to_a_bundle_that_codes(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    recipe = Recipe(name, "onedva", "tiny", batch=2, lr=1e-3, crop=64, sides=(64,), cache_frames=32, stages=STAGES)
    index = index_folders([folder])
    objective, model = create(recipe, index, tmp_path / "run", None)
    cache = build_cache(index, recipe, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = run(recipe, objective, model, cache, tmp_path / "run", Options(steps=10, device="cpu", rhythm=Rhythm(log_every=2)))
    assert outcome.finished
    assert np.isfinite(list(outcome.figures.values())).all()
    assert len(list((tmp_path / "run" / "pictures").iterdir())) == 2
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    assert {
        "tokenizer.encoder.queries",
        "tokenizer.query_in.weight",
        "tokenizer.decoder.unpatchifier.outward.weight",
    } <= moved
    assert not any(key.startswith("tokenizer.base.") for key in moved)
    bundle = tmp_path / f"{name}-small.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    assert load_bundle(bundle).card["recipe"]["name"] == name
    coded = tmp_path / "a.vtc"
    vtc.encode(folder / "a.mp4", coded, model=str(bundle))
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    with vtc.open(coded) as video:
        assert len(video) == 32
        assert video.frames[0:32].shape == (32, 64, 96, 3)
    again, _ = create(recipe, index, tmp_path / "second", bundle)
    assert again.prepare_key == objective.prepare_key


def test_init_fits_the_tables_of_a_base_layer_that_codes_otherwise(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("onedva", "onedva", "tiny", batch=2, lr=1e-3, crop=64, sides=(64,), cache_frames=32, stages=STAGES)
    index = index_folders([folder])
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    create(recipe, index, tmp_path / "before", None)
    first = tmp_path / "before" / "start.safetensors"
    bundle, learned = load_bundle(first), {"structural.context_own": np.arange(3)}
    save_bundle(first, bundle.tokenizer, {**bundle.entropy, **learned}, bundle.card)  # as `vtc train entropy` leaves it
    same, _ = create(recipe, index, tmp_path / "same", first)
    assert (tmp_path / "same" / "start.safetensors").read_bytes() == first.read_bytes()
    assert isinstance(same, OneDVAObjective) and set(same.fit.learned) == set(learned)
    monkeypatch.setitem(PRESETS, "tiny", replace(SMALL, base=BaseConfig(coefficients=24, lagrangian=0.2)))  # only its encoder's choices
    create(recipe, index, tmp_path / "choosier", first)
    assert (tmp_path / "choosier" / "start.safetensors").read_bytes() == first.read_bytes()
    monkeypatch.setitem(PRESETS, "tiny", replace(SMALL, base=BaseConfig(coefficients=24, overlap=True)))
    create(recipe, index, tmp_path / "after", first)
    old, new = (load_bundle(path) for path in (first, tmp_path / "after" / "start.safetensors"))
    assert isinstance(new.tokenizer, OneDVA) and new.tokenizer.base is not None and new.tokenizer.base.config.overlap
    differing = {name for name, tensor in new.tokenizer.state_dict().items() if not torch.equal(tensor, old.tokenizer.state_dict()[name])}
    assert differing and differing <= {f"base.{name}" for name in ("symbol_bits", "symbol_rows", "class_floor", "class_bits")}
    assert set(new.entropy) == set(old.entropy) - set(learned)


def test_groups_are_prepared_as_the_codec_makes_them(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a still picture the first segment is coded finer, and what the network is told stays with what it shows."""
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    monkeypatch.setattr(onedva, "NEW_GROUP", 0.0)
    monkeypatch.setattr(onedva, "QUALITIES", (50, 0))
    recipe = Recipe("onedva", "onedva", "tiny", batch=2, lr=1e-3, crop=64, sides=(64,), cache_frames=32, stages=STAGES)
    objective, _ = create(recipe, index_folders([folder]), tmp_path, None)
    frame = next(iter(render_scene(96, 64, 1, 25))).transpose(2, 0, 1)
    found = objective.prepare(np.repeat(frame[None], 48, 0), np.random.default_rng(0))
    assert found["base"].shape == (48, 3, 64, 96) and found["side"].shape == (12, 4, 4, 6)
    first, *later = found["step"][::16]
    assert first < step_of(50)
    assert np.allclose(later, first, rtol=0.1)



def test_self_alignment_falls_to_nothing_when_latents_match() -> None:
    structural = torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0))
    same = structural[:, 2:3].expand(-1, 4, -1)
    assert self_alignment(same, structural) < 1e-5
    assert self_alignment(-same, structural) > 0.3
