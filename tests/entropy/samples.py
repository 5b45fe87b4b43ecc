"""Symbols that look like those of a base layer: scaled Laplacians, smaller in later channels, busy places staying busy."""

from pathlib import Path

import numpy as np

from vtc.entropy import StreamSpec
from vtc.entropy.stream import Ints

GOLDEN = Path(__file__).parent / "golden"
GRID = StreamSpec("structural", channels=24, bound=31, kind="grid", classes=9, sides=2)
FLAT = StreamSpec("flat", channels=5, bound=3, kind="grid")
SEQUENCE = StreamSpec("query", channels=6, bound=7, kind="sequence")


def grid(seed: int, spec: StreamSpec = GRID, shape: tuple[int, int, int] = (6, 8, 9)) -> tuple[Ints, Ints]:
    """(symbols [S, H, W, C], side [S, H, W]) of one clip."""
    rng = np.random.default_rng(seed)
    _, height, width = shape
    side = (rng.random(shape) < 0.3).astype(np.int64) % spec.sides
    busy = rng.random((1, height, width)) * 2 - 1 + 0.3 * rng.standard_normal(shape)
    scale = np.exp(1.3 * busy + side)[..., None] * 4.0 / (1 + np.arange(spec.channels)) ** 0.8
    symbols = np.trunc(rng.laplace(size=(*shape, spec.channels)) * scale)
    return np.clip(symbols, -spec.bound, spec.bound).astype(np.int32), side


def sequence(seed: int, items: int = 5, positions: int = 10, spec: StreamSpec = SEQUENCE) -> tuple[Ints, Ints]:
    """(symbols [N, K, C], lengths [N])."""
    rng = np.random.default_rng(seed)
    scale = 3.0 / (1 + np.arange(positions))[:, None]
    symbols = np.clip(np.rint(rng.laplace(size=(items, positions, spec.channels)) * scale), -spec.bound, spec.bound)
    return symbols.astype(np.int32), rng.integers(0, positions + 1, items)
