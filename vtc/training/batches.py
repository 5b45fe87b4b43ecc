"""From cached videos to batches: which clip, which crop, turned and coloured how, all a pure function of seed and step.

Every item draws from a generator of its own, seeded by (seed, step, place in the step), so a run can be resumed at any
step and a step can be shared out among processes without changing what is seen.
"""

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vtc.training.cache import STRIDE, Cache, Entry
from vtc.training.frames import Array, DeviceFrames, DiskFrames, Frames
from vtc.training.recipe import GRID, Recipe

Arrays = Mapping[str, Array]
Batch = dict[str, Tensor]
TRUE_COLOURS = (0, 1, 2)


@dataclass(frozen=True)
class Box:
    """A clip within a video: `frames` from `start` on, a square of `crop` pixels from (`top`, `left`) on; then, in this order, mirrored
    left to right (`flip`), top to bottom (`upset`), along the diagonal (`transpose`), its colours in the order `colours`, and in negative.
    """

    start: int
    frames: int
    top: int
    left: int
    crop: int
    flip: bool = False
    upset: bool = False
    transpose: bool = False
    colours: tuple[int, int, int] = TRUE_COLOURS
    negative: bool = False

    def cut(self, arrays: Arrays, size: tuple[int, int]) -> Arrays:
        """The same box of all arrays of a video of `size` (height, width): pictures as [C, T, H, W], sequences as [T].

        Arrays on the grid of tokens, [T/4, C, H/16, W/16], are cut and turned where the tokens of the box are; colours are those of
        pictures alone.
        """
        return {name: self._piece(whole, size) for name, whole in arrays.items()}

    def _piece(self, whole: Array, size: tuple[int, int]) -> Array:
        picture = whole.ndim == 1 or tuple(whole.shape[2:]) == size
        time, space = (1, 1) if picture else (STRIDE, GRID)
        piece = whole[self.start // time : (self.start + self.frames) // time]
        if piece.ndim == 1:
            return piece
        rows, columns = (slice(at // space, (at + self.crop) // space) for at in (self.top, self.left))
        piece = self._turned(piece[:, :, rows, columns].swapaxes(0, 1))
        return self._coloured(piece) if picture else piece

    def _turned(self, piece: Array) -> Array:
        axes = tuple(axis for axis, mirrored in ((-1, self.flip), (-2, self.upset)) if mirrored)
        if axes:
            piece = piece.flip(axes) if isinstance(piece, Tensor) else np.flip(piece, axes)
        return piece.swapaxes(-1, -2) if self.transpose else piece

    def _coloured(self, picture: Array) -> Array:
        if self.colours != TRUE_COLOURS:
            planes: list[Any] = [picture[plane] for plane in self.colours]
            picture = torch.stack(planes) if isinstance(picture, Tensor) else np.stack(planes)
        return 255 - picture if self.negative else picture


class Batches:
    """Batches of a recipe from a cache, each a dict of tensors: `clip` uint8 [B, 3, T, H, W] and the others.

    Sources are drawn with weight ~ sqrt(number of their videos), so that a large one does not drown the rest. Crops
    start on multiples of 16 pixels, and of 16 frames where there are prepared arrays (segments start there). Half of
    the clips are mirrored; the recipe tells what else is done to them. `frames` tells where the arrays lie, and so on
    which device batches are made.
    """

    def __init__(self, cache: Cache, recipe: Recipe, seed: int = 0, frames: Frames | None = None) -> None:
        self.recipe, self.seed, self.held = recipe, seed, cache.held or cache.train
        self.frames = frames or DiskFrames()
        self.pools = {crop: _Pool.of(cache.train, crop) for crop in (recipe.crop, *recipe.crops)}
        self.crops = [crop for crop in (recipe.crop, *recipe.crops) if self.pools[crop].groups]

    def batch(self, step: int, part: int = 0) -> Batch:
        """The batch of a step; `part` counts the batches of a step that has several."""
        crop = self.crops[np.random.default_rng([self.seed, step]).integers(len(self.crops))]
        count = max(1, round(self.recipe.batch * self.recipe.crop**2 / crop**2))
        places = range(part * count, (part + 1) * count)
        return _stack([self._item(np.random.default_rng([self.seed, step, place]), crop) for place in places])

    def held_out(self, count: int = 8) -> list[Batch]:
        """Up to `count` batches of one from the held-out videos: first frames, middle of the picture. (From the
        training videos where there is nothing else.)
        """
        crop = self.recipe.crop
        clips = []
        for entry in sorted(self.held, key=lambda entry: entry.folder.name)[:count]:
            top, left = ((size - crop) // 2 // GRID * GRID for size in entry.shape[1:])
            clips.append(_stack([self._cut(entry, Box(0, self.recipe.frames, top, left, crop))]))
        return clips

    def _item(self, rng: np.random.Generator, crop: int) -> Arrays:
        pool, frames = self.pools[crop], self.recipe.frames
        group = pool.groups[rng.choice(len(pool.groups), p=pool.weights)]
        entry = group[rng.integers(len(group))]
        total, height, width = entry.shape
        grid = GRID if len(entry.arrays) > 1 else 1
        start = int(rng.integers((total - frames) // grid + 1)) * grid
        top, left = (int(rng.integers((size - crop) // GRID + 1)) * GRID for size in (height, width))
        box = Box(start, frames, top, left, crop, flip=bool(rng.random() < 0.5))
        if self.recipe.turned:
            upset, transpose = (bool(drawn) for drawn in rng.random(2) < 0.5)
            box = replace(box, upset=upset, transpose=transpose)
        if self.recipe.recoloured and rng.random() < self.recipe.recoloured:
            first, second, third = rng.permutation(3).tolist()
            box = replace(box, colours=(first, second, third), negative=bool(rng.random() < 0.5))
        return self._cut(entry, box)

    def _cut(self, entry: Entry, box: Box) -> Arrays:
        return box.cut(self.frames(entry), entry.shape[1:])


@dataclass(frozen=True)
class _Pool:
    """The videos that are large enough for a crop, by source, and how likely each source is drawn."""

    groups: list[list[Entry]]
    weights: np.ndarray

    @classmethod
    def of(cls, entries: Sequence[Entry], crop: int) -> "_Pool":
        large = [entry for entry in entries if min(entry.shape[1:]) >= crop]
        sources = sorted({entry.source for entry in large})
        groups = [[entry for entry in large if entry.source == source] for source in sources]
        weights = np.sqrt([len(group) for group in groups])
        return cls(groups, weights / max(weights.sum(), 1.0))


def _stack(items: Sequence[Arrays]) -> Batch:
    """Items of one size as a batch, on the device that their arrays are on."""
    columns: dict[str, list[Any]] = {name: [item[name] for item in items] for name in items[0]}
    return {
        name: torch.stack(column) if isinstance(column[0], Tensor) else torch.from_numpy(np.stack(column))
        for name, column in columns.items()
    }


class Loader:
    """The batches of each step from `start` on, `parts` of them from number `first` on, moved to `device`; `waited` sums
    the seconds of waiting.

    Batches are made ahead by threads. From frames on the device they are cut on its default stream, on which they are used, and few wait:
    they take its memory.
    """

    def __init__(
        self,
        batches: Batches,
        start: int,
        device: torch.device,
        first: int = 0,
        parts: int = 1,
        threads: int = 0,
        ahead: int = 8,
    ) -> None:
        threads = threads or max(2, min(8, (os.cpu_count() or 1) // 2))
        self.batches, self.device, self.parts = batches, device, range(first, first + parts)
        self.resident = isinstance(batches.frames, DeviceFrames)
        self.ahead = 2 if self.resident else max(2, ahead // parts)
        self.waited = 0.0
        self._next = start
        self._pool = ThreadPoolExecutor(threads, "batches")
        self._queue: deque[list[Future[Batch]]] = deque()

    def __enter__(self) -> "Loader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[list[Batch]]:
        return self

    def __next__(self) -> list[Batch]:
        began = time.perf_counter()
        while len(self._queue) < self.ahead:
            self._queue.append([self._pool.submit(self._make, self._next, part) for part in self.parts])
            self._next += 1
        made = [future.result() for future in self._queue.popleft()]
        self.waited += time.perf_counter() - began
        return [{name: t.to(self.device, non_blocking=True) for name, t in batch.items()} for batch in made]

    def _make(self, step: int, part: int) -> Batch:
        batch = self.batches.batch(step, part)
        pinned = self.device.type == "cuda" and not self.resident
        return {name: tensor.pin_memory() for name, tensor in batch.items()} if pinned else batch
