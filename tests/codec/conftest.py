"""Small videos, and one that is encoded and decoded once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import vtc

from .films import Make, write_video


@pytest.fixture
def video(tmp_path: Path) -> Make:
    """`video(frames, width, height, pts=None)`: path of a new one."""

    def make(frames: int, width: int = 64, height: int = 48, pts: list[int] | None = None) -> Path:
        return write_video(tmp_path / f"scene-{frames}-{width}x{height}.mkv", frames, width, height, pts)

    return make


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 frames of 64x48: 7 segments, the last one short."""
    return write_video(tmp_path_factory.mktemp("film") / "film.mkv", 100, 64, 48)


@pytest.fixture(scope="session")
def coded(film: Path, mini_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`film` encoded by the miniature bundle, in groups of 3 segments."""
    path = tmp_path_factory.mktemp("coded") / "film.vtc"
    vtc.encode(film, path, model=str(mini_bundle), group=3)
    return path


@pytest.fixture(scope="session")
def decoded(coded: Path, mini_bundle: Path) -> Iterator[np.ndarray]:
    """All frames of `coded`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VTC_WEIGHTS", str(mini_bundle.parent))
        target = coded.with_suffix(".npy")
        vtc.decode(coded, target)
    yield np.load(target)
