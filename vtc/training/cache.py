"""The frame cache: each video decoded and prepared once, kept as memory-mapped arrays.

A video has a folder of its own, named by everything that its content depends on, with `clip.npy` (uint8 [T, 3, H,
W]), an array per name that the objective prepares, and `clip.json`. Folders are renamed into place when whole, so an
interrupted build goes on where it stopped, and several runs may share one cache.
"""

import hashlib
import json
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vtc.errors import TrainingError, VtcError
from vtc.training.data import Clip, Index
from vtc.training.recipe import GRID, Recipe
from vtc.training.report import Reporter

Prepare = Callable[[np.ndarray, np.random.Generator], dict[str, np.ndarray]]
STRIDE = 4
"""Cached lengths are multiples of this many frames, the temporal stride of the tokenizers."""


@dataclass(frozen=True)
class Job:
    """One video to be cached: what is read, at which short side, from which share of its length, how fast, into which
    folder. Where it has half of `least` frames or more, it holds its last one until there are so many.
    """

    clip: Clip
    side: int
    start: float
    speed: float
    seed: int
    frames: int
    least: int
    folder: Path


@dataclass(frozen=True)
class Entry:
    """One cached video: where, from which source, whether held out, [T, H, W], and the names of its arrays."""

    folder: Path
    name: str
    source: str
    held: bool
    shape: tuple[int, int, int]
    arrays: tuple[str, ...]


@dataclass(frozen=True)
class Cache:
    """What training reads. `skipped` maps names of unusable videos to the reason; `manifest` is the index's hash."""

    train: tuple[Entry, ...]
    held: tuple[Entry, ...]
    skipped: dict[str, str]
    manifest: str


def build_cache(
    index: Index,
    recipe: Recipe,
    folder: Path,
    prepare: Prepare,
    prepare_key: str,
    *,
    seed: int = 0,
    workers: int | None = None,
    reporter: Reporter | None = None,
) -> Cache:
    """Cache every video of `index` that is not in `folder` yet, and return what `recipe` can use of it.

    `prepare(frames, rng)` runs once a video, in `workers` processes (all cores when None; 1 stays in this process, more
    need `prepare` to be picklable). Raises `TrainingError` when too little is usable.
    """
    jobs = [_job(clip, recipe, folder, prepare_key, seed) for clip in index.clips]
    missing = [job for job in jobs if not (job.folder / "clip.json").exists()]
    folder.mkdir(parents=True, exist_ok=True)
    workers = min(workers or os.cpu_count() or 1, len(missing))
    for done, _ in enumerate(_run(missing, prepare, workers), 1 + len(jobs) - len(missing)):
        if reporter:
            reporter.caching(done, len(jobs))
    return _select(index, recipe, jobs)


def read_frames(clip: Clip, side: int, start: float, frames: int, speed: float = 1.0) -> np.ndarray:
    """Up to `frames` frames of a video as uint8 [T, 3, H, W], short side `side`, from the share `start` in [0, 1] of
    what can be, `speed` of its frames for each.

    H and W are cropped about the centre to multiples of 16. Raises `MediaError` for files that cannot be decoded.
    """
    from vtc.media import float_to_rgb8, open_source, rgb_to_float

    order = (np.arange(frames) * speed).astype(int)  # which frame stands at each place: left out or shown again, never mixed
    wanted = int(order[-1]) + 1

    def read(begin: float | None) -> list[np.ndarray]:
        pictures: list[np.ndarray] = []
        with open_source(clip.path, start=begin, size=side) as source:
            for frame in source.frames():
                rgb = frame.rgb if frame.rgb.dtype == np.uint8 else float_to_rgb8(rgb_to_float(frame.rgb))
                pictures.append(_trim(rgb))
                if len(pictures) == wanted:
                    break
        return pictures

    with open_source(clip.path) as source:
        info = source.info
    rate = float(info.frame_rate or 25)
    begin = start * max(0.0, (info.duration or 0.0) - (wanted + 1) / rate)
    pictures = read(begin if begin > 0 else None)
    if len(pictures) < wanted and begin > 0:
        pictures = read(None)
    if not pictures:
        return np.zeros((0, 3, GRID, GRID), np.uint8)
    if len({picture.shape for picture in pictures}) > 1:
        raise TrainingError(f"{clip.name}: the picture's size changes within the video")
    shown = [pictures[i] for i in order if i < len(pictures)]
    return np.ascontiguousarray(np.stack(shown).transpose(0, 3, 1, 2))


def _trim(rgb: np.ndarray) -> np.ndarray:
    """A copy of the middle of a picture [H, W, 3], its sides cropped to multiples of 16."""
    height, width = (size // GRID * GRID for size in rgb.shape[:2])
    top, left = (rgb.shape[0] - height) // 2, (rgb.shape[1] - width) // 2
    return rgb[top : top + height, left : left + width].copy()


def _job(clip: Clip, recipe: Recipe, folder: Path, prepare_key: str, seed: int) -> Job:
    """Draw a video's side, start and speed, and name its folder by everything that the arrays depend on."""
    own = int.from_bytes(hashlib.sha256(f"{seed}:{clip.name}:{clip.size}".encode()).digest()[:8], "little")
    rng = np.random.default_rng(own)
    side, start, speed = int(rng.choice(recipe.sides)), float(rng.random()), float(rng.choice(recipe.speeds))
    frames = recipe.cache_frames // STRIDE * STRIDE
    facts = [clip.name, clip.size, side, start, own, frames, prepare_key]
    least = recipe.frames if recipe.hold else 0
    key = json.dumps([*facts, *([speed] if speed != 1 else []), *([f"hold {least}"] if least else [])])
    return Job(clip, side, start, speed, own, frames, least, folder / hashlib.sha256(key.encode()).hexdigest()[:24])


def _fill(job: Job, prepare: Prepare) -> None:
    """Cache one video, or leave a note why it cannot be used."""
    arrays: dict[str, np.ndarray] = {}
    note: dict[str, object] = {"name": job.clip.name}
    try:
        frames = read_frames(job.clip, job.side, job.start, job.frames, job.speed)
    except (VtcError, OSError, ValueError) as error:
        note["skipped"] = str(error).splitlines()[0] if str(error) else type(error).__name__
    else:
        if job.least / 2 <= len(frames) < job.least:
            frames = frames[np.minimum(np.arange(job.least), len(frames) - 1)]
        frames = frames[: len(frames) // STRIDE * STRIDE]
        if len(frames):
            arrays = {"clip": frames, **prepare(frames, np.random.default_rng([job.seed, 1]))}
            _check(arrays, frames)
            note["shape"] = [frames.shape[0], *frames.shape[2:]]
            note["arrays"] = sorted(arrays)
        else:
            note["skipped"] = f"shorter than {STRIDE} frames"
    part = job.folder.with_name(f".{job.folder.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name, array in arrays.items():
            np.save(part / f"{name}.npy", array)
        (part / "clip.json").write_text(json.dumps(note))
        shutil.rmtree(job.folder, ignore_errors=True)
        part.rename(job.folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check(arrays: dict[str, np.ndarray], frames: np.ndarray) -> None:
    """Prepared arrays must line up with the frames, or crops of them would not."""
    steps, _, height, width = frames.shape
    tokens = (steps // STRIDE, height // GRID, width // GRID)
    for name, array in arrays.items():
        grid = (array.shape[0], *array.shape[2:]) if array.ndim == 4 else ()
        aligned = array.shape == (steps,) or grid in ((steps, height, width), tokens)
        if not aligned:
            raise TrainingError(f"prepared array {name} {list(array.shape)} does not line up with {list(frames.shape)}")


_prepare: Prepare | None = None  # in worker processes: set once, so that it is not sent with every job


def _start(prepare: Prepare) -> None:
    import torch

    global _prepare
    _prepare = prepare
    torch.set_num_threads(1)


def _work(job: Job) -> None:
    assert _prepare is not None
    _fill(job, _prepare)


def _run(jobs: list[Job], prepare: Prepare, workers: int) -> Iterator[None]:
    """Do all jobs, in processes when there are several workers; yields as each is done."""
    if workers <= 1:
        for job in jobs:
            _fill(job, prepare)
            yield
        return
    context = multiprocessing.get_context("spawn")  # forks of a process with torch's threads may hang
    pool = ProcessPoolExecutor(workers, context, _start, (prepare,))
    try:
        for done in as_completed([pool.submit(_work, job) for job in jobs]):
            yield done.result()
    except BrokenProcessPool as error:
        hint = "run again with fewer --workers; what is cached already stays"
        raise TrainingError("a caching process died, perhaps for lack of memory", hint) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _select(index: Index, recipe: Recipe, jobs: list[Job]) -> Cache:
    """Read the notes of all jobs and keep the videos that give at least one clip of the recipe."""
    entries: list[Entry] = []
    skipped: dict[str, str] = {}
    for job in jobs:
        note = json.loads((job.folder / "clip.json").read_text())
        if "skipped" in note:
            skipped[job.clip.name] = note["skipped"]
            continue
        frames, height, width = note["shape"]
        if frames < recipe.frames or min(height, width) < recipe.crop:
            skipped[job.clip.name] = f"{frames} frames of {width}×{height}: smaller than the clips of the recipe"
            continue
        clip = job.clip
        shape = (frames, height, width)
        entries.append(Entry(job.folder, clip.name, clip.source, clip.held, shape, tuple(note["arrays"])))
    train = tuple(entry for entry in entries if not entry.held)
    held = tuple(entry for entry in entries if entry.held)
    if not train:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in list(skipped.items())[:3])
        raise TrainingError("none of the videos can be used for training", reasons)
    return Cache(train, held, skipped, index.manifest)
