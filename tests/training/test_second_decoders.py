"""Recipes that give a tokenizer the other decoder as well: from a bundle with one to a bundle that decodes with either."""

from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import vtc
from tests.training.test_coordtok import SMALL as COORDTOK
from tests.training.test_dera import SMALL as DERA
from tests.training.test_vtok import SMALL as VTOK
from vtc.media import SinkInfo, open_sink, render_scene
from vtc.tokenizers import coordtok, dera, vtok
from vtc.tokenizers.bundle import load_bundle
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.training.cache import build_cache
from vtc.training.data import index_folders
from vtc.training.loop import Options, run
from vtc.training.objectives import create
from vtc.training.recipe import Recipe, find_recipe

DIFFUSION = DiffusionConfig(24, 2, 1, 8, 1)
COORDINATE = CoordinateConfig(width=24, heads=2, depth=1, points=64)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    for name, first in (("a", 0), ("b", 24)):
        with open_sink(root / f"{name}.mp4", SinkInfo(64, 64, time_base=Fraction(1, 25), frame_rate=None)) as sink:
            for i, frame in enumerate(list(render_scene(64, 64, 48, 25))[first : first + 24]):
                sink.write(frame, i, 1)
    return root


@pytest.mark.parametrize("size", ["tiny", "small", "base"])
@pytest.mark.parametrize("name", ["onedva-coordinate", "vtok-coordinate", "coordtok-diffusion", "dera-diffusion"])
def test_every_tokenizer_has_a_recipe_for_the_other_decoder(name: str, size: str) -> None:
    assert find_recipe(name, size).tokenizer == name.partition("-")[0]


@pytest.mark.parametrize(
    ("module", "config", "second", "part"),
    [
        pytest.param(vtok, VTOK, "coordinate", "coordinate.decoder.head.weight", marks=pytest.mark.slow, id="vtok"),
        pytest.param(coordtok, COORDTOK, "diffusion", "diffusion.unpatchifier.outward.weight", id="coordtok"),
        pytest.param(dera, DERA, "diffusion", "diffusion.decoder.unpatchifier.outward.weight", marks=pytest.mark.slow, id="dera"),
    ],
)
def test_a_bundle_gets_the_other_decoder(
    module: ModuleType, config: object, second: str, part: str, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module.__name__.rpartition(".")[2]
    monkeypatch.setitem(module.PRESETS, "tiny", config)
    sizes, own = (module.COORDINATE_SIZES, COORDINATE) if second == "coordinate" else (module.DIFFUSION_SIZES, DIFFUSION)
    monkeypatch.setitem(sizes, "tiny", own)
    index = index_folders([clips])
    plain, both = (
        Recipe(recipe, name, "tiny", batch=1, lr=1e-3, crop=64, frames=16, sides=(64,), cache_frames=24, hold=True)
        for recipe in (name, f"{name}-{second}")
    )
    create(plain, index, tmp_path / "first", None)
    first = tmp_path / "first" / "start.safetensors"
    known = load_bundle(first).tokenizer
    assert second not in known.decoders
    objective, model = create(both, index, tmp_path / "run", first)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    for key, tensor in known.state_dict().items():
        assert torch.equal(before[f"tokenizer.{key}"].to(tensor.dtype), tensor), key
    cache = build_cache(index, both, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    outcome = run(both, objective, model, cache, tmp_path / "run", Options(steps=3, device="cpu"))
    assert np.isfinite(outcome.figures[f"psnr_{second}"]) and np.isfinite(outcome.figures["psnr"])
    assert not torch.equal(model.state_dict()[f"tokenizer.{part}"], before[f"tokenizer.{part}"])
    bundle = tmp_path / "both.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    assert load_bundle(bundle).tokenizer.decoders == (*known.decoders, second)
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    vtc.encode(clips / "a.mp4", tmp_path / "a.vtc", model="both")
    found = {}
    for decoder in (None, *known.decoders, second):
        vtc.decode(tmp_path / "a.vtc", tmp_path / "a.npy", decoder=decoder, overwrite=True)
        found[decoder] = np.load(tmp_path / "a.npy")
    assert (found[None] == found[known.decoders[0]]).all()
    assert found[second].shape == (24, 64, 64, 3) and (found[second] != found[None]).any()
