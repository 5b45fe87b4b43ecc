"""VTok's objective, from a folder of clips to a bundle that codes clips and still ones for almost nothing."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

import vtc
from vtc.media import SinkInfo, open_sink, render_scene
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.diffusion import DiffusionConfig
from vtc.tokenizers.vtok import PRESETS, VTok, VTokConfig
from vtc.training.cache import build_cache
from vtc.training.data import index_folders
from vtc.training.loop import Options, run
from vtc.training.objectives import create
from vtc.training.objectives.vtok import thinned
from vtc.training.recipe import Recipe

SMALL = VTokConfig(
    side=64, width=48, heads=2, depth=1, key_channels=64, residuals=4, residual_channels=16, rest_channels=24, classes=8,
    decoder=DiffusionConfig(48, 2, 1, 16, 1),
)  # fmt: skip


def film(path: Path, frames: list[np.ndarray]) -> Path:
    sink = open_sink(path, SinkInfo(64, 64, time_base=Fraction(1, 25), frame_rate=None))
    for i, frame in enumerate(frames):
        sink.write(frame, i, 1)
    sink.close()
    return path


def test_from_a_folder_to_a_bundle_that_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PRESETS, "tiny", SMALL)
    scene = list(render_scene(64, 64, 72, 25))
    (tmp_path / "clips").mkdir()
    for name, first in (("a", 0), ("b", 40)):
        film(tmp_path / "clips" / f"{name}.mp4", scene[first : first + 32])
    recipe = Recipe("vtok", "vtok", "tiny", batch=2, lr=1e-3, crop=64, frames=16, sides=(64,), cache_frames=32)
    index = index_folders([tmp_path / "clips"])
    objective, model = create(recipe, index, tmp_path / "run", None)
    cache = build_cache(index, recipe, tmp_path / "cache", objective.prepare, objective.prepare_key, workers=1)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    outcome = run(recipe, objective, model, cache, tmp_path / "run", Options(steps=6, device="cpu"))
    assert outcome.finished
    assert np.isfinite(list(outcome.figures.values())).all()
    moved = {key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])}
    parts = ("encoder.queries", "encoder.residual_out.weight", "reader.residual_in.weight", "decoder.unpatchifier.outward.weight")
    assert {f"tokenizer.{part}" for part in parts} <= moved
    assert not any(key.startswith("tokenizer.linear.") for key in moved)
    bundle = tmp_path / "vtok-small.safetensors"
    objective.export(outcome.model, bundle, lambda text: None)
    monkeypatch.setenv("VTC_WEIGHTS", str(tmp_path))
    vtc.encode(tmp_path / "clips" / "a.mp4", tmp_path / "a.vtc", model=str(bundle))
    with vtc.open(tmp_path / "a.vtc") as video:
        assert len(video) == 32
        assert video.frames[0:32].shape == (32, 64, 64, 3)
        assert 0 <= int(video.tokens(0)["place"][0, 0]) < 16
    _still_clips_cost_their_key_frame(bundle, scene[0], tmp_path)
    again, other = create(recipe, index, tmp_path / "second", bundle)
    assert again.prepare_key == objective.prepare_key
    clips = torch.stack([torch.rand(3, 16, 64, 64) for _ in range(2)]) * 2 - 1
    assert isinstance(other.tokenizer, VTok)
    clip, times, key = thinned(other.tokenizer, clips, torch.Generator().manual_seed(0))
    assert torch.equal(times.gather(1, key[:, None])[:, 0], other.tokenizer.key_frame(clips))
    assert torch.equal(clip[1, :, 3], clips[1, :, times[1, 3]])


def _still_clips_cost_their_key_frame(bundle: Path, picture: np.ndarray, folder: Path) -> None:
    """The same weights for clips of 128 frames: a still one costs less than 1.1 times a file of its first frame."""
    known = load_bundle(bundle, dtype=torch.float32)
    assert isinstance(known.tokenizer, VTok)
    longer = VTok(replace(known.tokenizer.config, clip_frames=128))
    longer.load_state_dict(known.tokenizer.state_dict())
    save_bundle(folder / "vtok-long.safetensors", longer, known.entropy, {})
    sizes = []
    for count in (1, 128):
        result = vtc.encode(film(folder / f"{count}.mkv", [picture] * count), folder / "b.vtc", model="vtok-long", overwrite=True)
        sizes.append(result.video_bytes)
    assert sizes[1] < 1.1 * sizes[0]
