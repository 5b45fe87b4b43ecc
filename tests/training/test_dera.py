"""DeRA's objective, from a folder of clips to ids in a file; with SACP and without."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vtc
from vtc.cli.app import run as command
from vtc.media import SinkInfo, open_sink, render_scene
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.dera import PRESETS, DeRA, DeRAConfig
from vtc.tokenizers.layers.patch import to_uint8
from vtc.training.cache import build_cache
from vtc.training.data import index_folders
from vtc.training.log import read_log
from vtc.training.loop import Options, run
from vtc.training.objectives import create
from vtc.training.objectives.dera import DeRATraining
from vtc.training.recipe import Recipe, Stage
from vtc.training.watch import Rhythm

SMALL = DeRAConfig(
    side=64, width=48, heads=2, depth=1, appearance=32, motion=64, key_channels=32, rest_channels=12,
    coordinate=CoordinateConfig(width=48, heads=2, depth=1, points=64),
)  # fmt: skip


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clips")
    scene = list(render_scene(64, 64, 72, 25))
    for name, first in (("a", 0), ("b", 40)):
        sink = open_sink(root / f"{name}.mp4", SinkInfo(64, 64, time_base=Fraction(1, 25), frame_rate=None))
        for i, frame in enumerate(scene[first : first + 32]):
            sink.write(frame, i, 1)
        sink.close()
    return root


def test_from_a_folder_to_ids_in_a_file(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    recipe = Recipe("dera", "dera", "tiny", batch=2, lr=1e-3, crop=64, sides=(64,), cache_frames=32)
    index = index_folders([clips])
    objective, model = create(recipe, index, tmp_path / "run", None)
    cache = build_cache(index, recipe, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = run(recipe, objective, model, cache, tmp_path / "run", Options(steps=4, device="cpu", rhythm=Rhythm(log_every=2)))
    assert outcome.finished
    assert {"psnr", "align_appearance", "align_motion"} <= set(outcome.figures)
    assert np.isfinite(list(outcome.figures.values())).all()
    (line, *_) = (line for line in read_log(tmp_path / "run" / "log.jsonl") if "loss" in line)
    assert 0 <= line["conflict"] <= 1
    assert -1 <= line["gradient_cosine"] <= 1
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    parts = ("encoder.motion", "encoder.appearance_out.weight", "coordinate.decoder.head.weight")
    assert {f"tokenizer.{part}" for part in parts} <= moved
    assert not any(key.startswith("tokenizer.linear.") or key.endswith((".unit", ".source")) for key in moved)
    bundle = tmp_path / "dera-small.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    vtc.encode(clips / "a.mp4", tmp_path / "a.vtc", model="dera-small")
    same = vtc.encode(clips / "a.mp4", tmp_path / "same.vtc", model="dera-small", quality=80)
    assert "--quality changes nothing" in same.warnings[-1]
    assert same.bytes == (tmp_path / "a.vtc").stat().st_size
    with vtc.open(tmp_path / "a.vtc") as video:
        assert video.frames[0:32].shape == (32, 64, 64, 3)
    assert command(["tokens", str(tmp_path / "a.vtc"), "-o", str(tmp_path / "a.npz"), "-q"]) in (0, None)
    tokens = np.load(tmp_path / "a.npz")
    for name, count in (("appearance", SMALL.appearance), ("motion", SMALL.motion)):
        ids = tokens[f"{name}.ids"]
        assert ids.dtype == np.int32
        assert len(ids) == 2 * count
        assert 0 <= ids.min() <= ids.max() < 9**4


class Opposed(nn.Module):
    """A teacher whose tokens are the negative of another's: alignments with both pull the encoder apart."""

    channels = 2

    def __init__(self, sign: float) -> None:
        super().__init__()
        self.sign = sign

    def tokens(self, video: torch.Tensor) -> torch.Tensor:
        return torch.full((len(video), video.shape[2] // 4 * 16, 2), self.sign)


def test_sacp_changes_the_gradients_of_the_shared_encoder_in_conflict(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    batch = {"clip": to_uint8(torch.rand(1, 3, 16, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1)}
    index, gradients, first = index_folders([clips]), {}, None
    for name in ("dera", "dera-plain"):
        recipe = Recipe(name, "dera", "tiny", batch=1, lr=1e-3, crop=64, sides=(64,), cache_frames=32)
        objective, model = create(recipe, index, tmp_path / name, first)
        first = tmp_path / "dera" / "start.safetensors"
        assert isinstance(model, DeRATraining)
        assert isinstance(model.tokenizer, DeRA)
        objective.appearance, objective.motion = Opposed(1.0), Opposed(-1.0)
        torch.manual_seed(5)
        model.to_appearance = model.to_motion = nn.Sequential(nn.Linear(48, 8), nn.Linear(8, 2))
        for seed in range(40):  # until the untrained blocks are in conflict: they start at zero
            torch.manual_seed(seed)
            for parameter in model.tokenizer.encoder.blocks.parameters():
                nn.init.normal_(parameter, std=0.05)
            loss, parts = objective.loss(model, batch, Stage("all", 1.0), torch.Generator(), 0)
            if float(parts["conflict"]):
                break
        assert float(parts["conflict"]) == 1
        assert float(parts["gradient_cosine"]) < 0
        shared = model.tokenizer.encoder.shared()
        gradients[name] = torch.cat([g.flatten() for g in torch.autograd.grad(loss, shared)])
    assert not torch.allclose(gradients["dera"], gradients["dera-plain"])
