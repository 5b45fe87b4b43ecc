"""All metrics in one pass: what is asked for comes, and what cannot be had says why."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vtc.bench.catalogue import METRICS, asked_metrics
from vtc.bench.features import FILE, shapes
from vtc.bench.measure import open_metrics
from vtc.bench.weights import VARIABLE, file_hash
from vtc.errors import MediaError, UsageError


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def film(noise: float = 0, frames: int = 4, height: int = 96, width: int = 128) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    for t in range(frames):
        base = 128 + 60 * np.sin(x / 9 + t / 2)[..., None] * np.cos(y / 7)[..., None] + np.array([-30, 0, 30])
        yield np.clip(base + noise * rng.normal(size=base.shape), 0, 255).astype(np.uint8)


def test_names_are_those_of_the_catalogue() -> None:
    assert asked_metrics(["PSNR", " ms-ssim"]) == {"psnr", "psnr_clip", "ms_ssim"}
    with pytest.raises(UsageError, match="psnrr"):
        asked_metrics(["psnrr"])


def test_more_noise_is_worse_in_every_metric() -> None:
    pytest.importorskip("pytorch_msssim", reason="SSIM and MS-SSIM come with the bench extra")
    metrics = open_metrics(METRICS)
    found = [metrics.measure(film(), film(noise)) for noise in (0, 4, 24)]
    assert [list(each.values) for each in found] == [list(METRICS)] * 3
    for name, metric in METRICS.items():
        values = [each.values[name] for each in found]
        if name in metrics.unavailable:
            assert values == [None] * 3
        else:
            assert values == sorted(values, reverse=metric.higher) and len(set(values)) == 3, name
    assert (found[0].frames, found[0].width, found[0].height) == (4, 128, 96)


def test_what_is_missing_is_none_and_says_what_it_needs() -> None:
    found = open_metrics(["psnr", "feature"]).measure(film(), film(3))
    assert found.values["psnr"] is not None
    assert found.values["feature"] is None
    assert found.unavailable["feature"].startswith("needs the weights of SqueezeNet 1.0")


def test_weights_in_use_are_named_by_their_hash(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file({name: torch.randn(shape) / max(np.prod(shape[1:]), 1) ** 0.5 for name, shape in shapes().items()}, tmp_path / FILE)
    metrics = open_metrics(["feature"], tmp_path)
    assert metrics.hashes == {"feature": file_hash(tmp_path / FILE)}
    found = metrics.measure(film(), film(8))
    assert not found.unavailable
    assert 0 < (found.values["feature"] or 0) < 2


def test_too_small_a_picture_has_no_such_metric_but_has_the_others(tmp_path: Path) -> None:
    found = open_metrics(["psnr", "ssim", "ms-ssim"]).measure(film(height=8), film(5, height=8))
    assert found.values["psnr"] is not None
    assert (found.values["ssim"], found.values["ms_ssim"]) == (None, None)
    assert "smaller than its window" in found.unavailable["ssim"]
    assert "128x8" in found.unavailable["ms_ssim"]


def test_only_what_was_asked_for_is_given() -> None:
    found = open_metrics(["psnr-clip"]).measure(film(), film(5))
    assert list(found.values) == ["psnr_clip"]
    assert not found.unavailable


def test_videos_that_differ_in_length_are_an_error() -> None:
    with pytest.raises(MediaError, match="4 and 3 frames"):
        open_metrics(["psnr"]).measure(film(), film(frames=3))
    with pytest.raises(MediaError, match="no frames"):
        open_metrics(["psnr"]).measure([], [])
