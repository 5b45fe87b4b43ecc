"""From cached videos to batches: which clip, which crop, which flip, all a pure function of seed and step.

Every item draws from a generator of its own, seeded by (seed, step, place in the batch), so a run can be resumed at
any step and a batch can be shared out among processes without changing what is seen.
"""

import os
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType

import numpy as np
import torch
from torch import Tensor

from vtc.training.cache import STRIDE, Cache, Entry
from vtc.training.recipe import GRID, Recipe

Arrays = dict[str, np.ndarray]


@lru_cache(maxsize=8192)
def _map(path: Path) -> np.ndarray:
    array: np.ndarray = np.load(path, mmap_mode="r")
    return array


def cut(entry: Entry, start: int, frames: int, top: int, left: int, crop: int, flip: bool) -> Arrays:
    """The same box of all arrays of a video: pictures as [C, T, H, W] (mirrored where `flip`), sequences as [T].

    Arrays on the grid of tokens, [T/4, C, H/16, W/16], are cut where the tokens of the box are.
    """
    arrays: Arrays = {}
    for name in entry.arrays:
        whole = _map(entry.folder / f"{name}.npy")
        stride = 1 if whole.ndim == 1 or whole.shape[2:] == entry.shape[1:] else GRID
        every = 1 if stride == 1 else STRIDE
        piece = whole[start // every : (start + frames) // every]
        if piece.ndim == 4:
            rows, columns = (slice(at // stride, (at + crop) // stride) for at in (top, left))
            piece = piece[:, :, rows, columns].swapaxes(0, 1)
            piece = piece[..., ::-1] if flip else piece
        arrays[name] = np.ascontiguousarray(piece)
    return arrays


class Batches:
    """Batches of a recipe from a cache: `batch(step)` is a dict of tensors, `clip` uint8 [B, 3, T, H, W] and the
    others.

    Sources are drawn with weight ~ sqrt(number of their videos), so that a large one does not drown the rest. Crops
    start on multiples of 16 pixels, and of 16 frames where there are prepared arrays (segments start there).
    """

    def __init__(self, cache: Cache, recipe: Recipe, seed: int = 0) -> None:
        self.recipe, self.seed, self.held = recipe, seed, cache.held or cache.train
        sources = sorted({entry.source for entry in cache.train})
        self.groups = [[entry for entry in cache.train if entry.source == source] for source in sources]
        weights = np.sqrt([len(group) for group in self.groups])
        self.weights = weights / weights.sum()

    def batch(self, step: int) -> dict[str, Tensor]:
        """The batch of a step."""
        return _stack([self._item(np.random.default_rng([self.seed, step, i])) for i in range(self.recipe.batch)])

    def held_out(self, count: int = 8) -> list[dict[str, Tensor]]:
        """Up to `count` batches of one from the held-out videos: first frames, middle of the picture. (From the
        training videos where there is nothing else.)
        """
        crop = self.recipe.crop
        clips = []
        for entry in sorted(self.held, key=lambda entry: entry.folder.name)[:count]:
            top, left = ((size - crop) // 2 // GRID * GRID for size in entry.shape[1:])
            clips.append(_stack([cut(entry, 0, self.recipe.frames, top, left, crop, flip=False)]))
        return clips

    def _item(self, rng: np.random.Generator) -> Arrays:
        group = self.groups[rng.choice(len(self.groups), p=self.weights)]
        entry = group[rng.integers(len(group))]
        total, height, width = entry.shape
        frames, crop = self.recipe.frames, self.recipe.crop
        grid = GRID if len(entry.arrays) > 1 else 1
        start = int(rng.integers((total - frames) // grid + 1)) * grid
        top, left = (int(rng.integers((size - crop) // GRID + 1)) * GRID for size in (height, width))
        return cut(entry, start, frames, top, left, crop, flip=bool(rng.random() < 0.5))


def _stack(items: list[Arrays]) -> dict[str, Tensor]:
    return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}


class Loader:
    """Batches from step `start` on, made ahead by threads and moved to `device`; `waited` sums the seconds of
    waiting.
    """

    def __init__(self, batches: Batches, start: int, device: torch.device, threads: int = 0, ahead: int = 8) -> None:
        threads = threads or max(2, min(8, (os.cpu_count() or 1) // 2))
        self.batches, self.device, self.ahead = batches, device, ahead
        self.waited = 0.0
        self._next = start
        self._pool = ThreadPoolExecutor(threads, "batches")
        self._queue: deque[Future[dict[str, Tensor]]] = deque()

    def __enter__(self) -> "Loader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        return self

    def __next__(self) -> dict[str, Tensor]:
        while len(self._queue) < self.ahead:
            self._queue.append(self._pool.submit(self._make, self._next))
            self._next += 1
        began = time.perf_counter()
        batch = self._queue.popleft().result()
        self.waited += time.perf_counter() - began
        return {name: tensor.to(self.device, non_blocking=True) for name, tensor in batch.items()}

    def _make(self, step: int) -> dict[str, Tensor]:
        batch = self.batches.batch(step)
        return {name: tensor.pin_memory() for name, tensor in batch.items()} if self.device.type == "cuda" else batch
