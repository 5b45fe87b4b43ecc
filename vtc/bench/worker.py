"""One row of results, from clip to metrics, in a process of its own."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vtc.bench.coder import Coded, Coder, Point
from vtc.bench.measure import FVD_FRAMES, Measured, Metrics, open_metrics
from vtc.bench.memory import peak_mib, reset_peak
from vtc.bench.prepare import Prepared, Protocol, TooShort, prepare
from vtc.bench.row import DONE, FAILED, Row
from vtc.errors import VtcError
from vtc.media.picture import beside, save_png


@dataclass(frozen=True)
class Task:
    """A row to be measured: `row` has its identity and nothing else yet. `pictured`: keep a few decoded frames."""

    row: Row
    clip: Path
    protocol: Protocol
    coder: Coder
    point: Point
    pictured: bool


@dataclass(frozen=True)
class LeftOut:
    """A clip that the protocol cannot take, and why."""

    reason: str


@dataclass(frozen=True)
class Setup:
    """What a process needs besides its tasks: the folder of results, the metrics asked for, the folder of their weights or None."""

    out: Path
    metrics: tuple[str, ...]
    weights: Path | None


class Worker:
    """Measures tasks one after the other; tasks on the same clip share its preparation. Files on the way are in `scratch`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.scratch = setup.out / "scratch" / str(os.getpid())
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._metrics: Metrics | None = None
        self._clip: tuple[tuple[Path, Protocol] | None, Prepared | Exception] = None, TooShort()

    def measure(self, task: Task) -> Row | LeftOut:
        """The finished row; a failed one, with the reason, when anything on the way goes wrong."""
        folder = self.scratch / "row"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            return self._done(task, folder)
        except TooShort as problem:
            return LeftOut(str(problem))
        except Exception as problem:  # whatever a codec or its libraries raise costs this row only
            return replace(task.row, status=FAILED, reason=reason_of(problem))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _done(self, task: Task, folder: Path) -> Row:
        clip = self._prepared(task.clip, task.protocol)
        reset_peak()
        coded = task.coder.code(clip, task.point, folder)
        peak = peak_mib()
        if self._metrics is None:
            frames = task.protocol.frames or FVD_FRAMES
            self._metrics = open_metrics(self.setup.metrics, self.setup.weights, fvd_frames=frames)
        found = self._metrics.measure(clip.pictures(), coded.pictures, float(clip.rate))
        pixels = clip.frames * clip.width * clip.height
        return replace(
            task.row, status=DONE, frames=clip.frames, width=clip.width, height=clip.height, fps=float(clip.rate),
            bytes=coded.bytes, container_bytes=coded.container, bpp=8 * coded.bytes / pixels, tokens=coded.tokens,
            streams=coded.streams, lengths=coded.lengths, encode_seconds=coded.encode_seconds, decode_seconds=coded.decode_seconds,
            peak_mib=peak, metrics=found.values, unavailable=found.unavailable, metric_weights=dict(self._metrics.hashes),
            picture=self._keep(task, clip, coded, found),
        )  # fmt: skip

    def _prepared(self, path: Path, protocol: Protocol) -> Prepared:
        key = path, protocol
        if self._clip[0] != key:
            try:
                self._clip = key, prepare(path, protocol, self.scratch / "source.mp4")
            except Exception as problem:  # it would fail again for the next codec
                self._clip = key, problem
        found = self._clip[1]
        if isinstance(found, Exception):
            raise found
        return found

    def _keep(self, task: Task, clip: Prepared, coded: Coded, found: Measured) -> str:
        """Writes what is kept beside the row: features for FVD, pictures. Returns the picture's name."""
        out, key = self.setup.out, task.row.key
        if found.i3d is not None:
            (out / "features").mkdir(exist_ok=True)
            np.save(out / "features" / f"{key}.npy", found.i3d)
        if not task.pictured:
            return ""
        (out / "pictures").mkdir(exist_ok=True)
        name = f"pictures/{key}.png"
        numbers = shown(clip.frames)
        save_png(out / name, beside(*(coded.pictures[number] for number in numbers)))
        source = out / replace(task.row, picture=name).source_picture
        if not source.is_file():
            save_png(source, beside(*(picture for number, picture in enumerate(clip.pictures()) if number in numbers)))
        return name


def shown(frames: int) -> list[int]:
    """The frames that pictures show: after a third and after two thirds of a clip."""
    return sorted({frames // 3, 2 * frames // 3})


def reason_of(problem: Exception) -> str:
    """An exception in one line."""
    text = problem.message if isinstance(problem, VtcError) else f"{type(problem).__name__}: {problem}".rstrip(": ")
    return " ".join(text.split())[:300]


_worker: Worker


def start(setup: Setup) -> None:
    """Makes this process a worker."""
    global _worker
    _worker = Worker(setup)


def work(task: Task) -> Row | LeftOut:
    """`Worker.measure` of this process."""
    return _worker.measure(task)
