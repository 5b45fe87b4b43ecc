"""`vtc weights import coordtok`: from a checkpoint of the public code to a bundle that codes videos."""

import json
from pathlib import Path

import numpy as np
import torch

from tests.cli.command import Vtc
from tests.tokenizers.published import published
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.coordtok import CoordTok, CoordTokConfig

SMALL = CoordTokConfig(
    clip_frames=16, side=48, width=64, heads=1, patch_depth=1, depth=1, tubelet_time=8, plane_time=8, plane_side=6, latent_time=4,
    latent_side=3, features=(4, 4), linear=False, decoder=CoordinateConfig(64, 1, 1, 1024, 1, 8, "table"),
)  # fmt: skip


def checkpoint(path: Path) -> Path:
    torch.manual_seed(0)
    model = CoordTok(SMALL)
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    torch.save({"model": published(model)}, path)
    return path


def test_an_imported_bundle_codes_videos(vtc: Vtc, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.mkv").write_bytes(clip.read_bytes())
    done = vtc("weights", "import", "coordtok", checkpoint(tmp_path / "a.pth"), "-o", "mine.safetensors", "--calibrate", "clips", "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["bytes"] == (tmp_path / "mine.safetensors").stat().st_size and values["parameters"] > 10_000
    coded = vtc("encode", clip, "-o", "a.vtc", "--model", "./mine.safetensors", "--json")
    assert coded.returncode == 0, coded.stderr
    told = json.loads(coded.stdout)
    assert told["segments"] == 3 and "static" in told["entropy"] and told["tokens"] == 3 * 2 * 3 * (36 + 2 * 48)
    packed = vtc("encode", clip, "-o", "b.vtc", "--model", "./mine.safetensors", "--entropy", "packed", "--json")
    assert json.loads(packed.stdout)["bytes"] > 1.3 * told["bytes"]
    back = vtc("decode", "a.vtc", "-o", "a.npy", VTC_WEIGHTS=str(tmp_path))
    assert back.returncode == 0, back.stderr
    assert np.load(tmp_path / "a.npy").shape == (40, 64, 96, 3)


def test_what_cannot_be_imported_is_told(vtc: Vtc, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    path = checkpoint(tmp_path / "a.pth")
    rest = ("-o", "mine.safetensors", "--calibrate", "clips")
    empty = vtc("weights", "import", "coordtok", path, *rest)
    assert empty.returncode == 1 and "no videos" in empty.stderr
    (tmp_path / "clips" / "one.mkv").write_bytes(clip.read_bytes())
    for arguments, status, word in (
        (("larp", path, *rest), 2, "cannot be imported"),
        (("coordtok", clip, *rest), 1, "cannot be read"),
        (("coordtok", path, *rest, "--heads", "x"), 2, "pair"),
    ):
        done = vtc("weights", "import", *arguments)
        assert done.returncode == status and word in " ".join(done.stderr.split()), done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "mine.safetensors").exists()
