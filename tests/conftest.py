"""Shared by all rooms: a miniature bundle with a real KLT, an untrained network and entropy tables fitted on its own symbols."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

MINI = "mini"


def write_bundle(path: Path, seed: int = 0) -> None:
    """A One-DVA of a few thousand parameters on a base layer of 24 coefficients."""
    import torch

    from vtc.codec.model import stream_infos
    from vtc.entropy import StreamSpec, fit_grid, fit_sequence
    from vtc.media.scene import render_scene
    from vtc.tokenizers.base import BaseConfig
    from vtc.tokenizers.bundle import save_bundle
    from vtc.tokenizers.diffusion import DiffusionConfig
    from vtc.tokenizers.layers.patch import patchify, to_float
    from vtc.tokenizers.onedva import OneDVA, OneDVAConfig
    from vtc.tokenizers.steps import FINEST

    torch.manual_seed(seed)
    config = OneDVAConfig(
        width=48, heads=2, depth=1, queries=8, query_channels=4, classes=8, base=BaseConfig(coefficients=24),
        decoder=DiffusionConfig(width=48, heads=2, depth=1, channels=8, blocks=1),
    )  # fmt: skip
    tokenizer = OneDVA(config).eval()
    assert tokenizer.base is not None
    frames = torch.from_numpy(np.stack(list(render_scene(128, 96, 32)))).permute(3, 0, 1, 2).contiguous()
    patches = patchify(to_float(frames)[None]).flatten(0, 3)
    tokenizer.base.mean[:] = patches.mean(0)
    tokenizer.base.basis[:] = torch.linalg.svd(patches - patches.mean(0), full_matrices=False).Vh[:24].T
    tokenizer.start(tokenizer.base.basis, tokenizer.base.mean)
    torch.nn.init.normal_(tokenizer.decoder.unpatchifier.outward.weight, std=0.01)
    samples, finer = [], torch.arange(4 * 6 * 8).view(4, 6, 8) // 12 % (FINEST + 1)
    for step in (0.2, 0.8):
        first = tokenizer.base.encode(frames[:, :16], None, step)
        second = tokenizer.base.encode(frames[:, 16:], first.frames[:, -1], step, finer=finer)
        samples += [first, second]
    tables: dict[str, np.ndarray] = {}
    rng = np.random.default_rng(seed)
    for info in stream_infos(tokenizer):
        sides = 2 if info.name == "structural" else 1
        classes = FINEST + 1 if info.name == "finer" else 8 if info.kind == "grid" else 1
        spec = StreamSpec(info.name, info.channels, info.bound, info.kind, classes, sides)
        if info.kind == "sequence":
            drawn = rng.integers(-2, 3, (16, info.positions, info.channels))
            model = fit_sequence(spec, info.positions, [(drawn, np.full(16, info.positions))])
        else:
            told = [part.motion[..., 0].numpy() if sides == 2 else None for part in samples]
            model = fit_grid(spec, [(getattr(part, info.name).numpy(), side) for part, side in zip(samples, told, strict=True)])
        tables |= {f"{info.name}.{name}": array for name, array in model.to_arrays().items()}
    save_bundle(path, tokenizer, tables, {"trained": "not at all"})


@pytest.fixture(scope="session")
def mini_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the miniature bundle, alone in its folder."""
    path = tmp_path_factory.mktemp("weights") / f"{MINI}.safetensors"
    write_bundle(path)
    return path


@pytest.fixture
def weights(mini_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The miniature bundle at hand; its name."""
    monkeypatch.setenv("VTC_WEIGHTS", str(mini_bundle.parent))
    yield MINI


@pytest.fixture
def make_bundle() -> Callable[..., None]:
    """`make_bundle(path, seed)` writes another one."""
    return write_bundle
