"""The index of training videos: which files there are, where each comes from, and which ones only judge.

A *source* is the top folder under the data root that a video lies in. The index reads names and sizes only; whether a
file can be decoded shows when the cache is built (`cache.py`), which lists the broken ones.
"""

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vtc.errors import TrainingError
from vtc.training.leakage import MANIFEST, check_leakage

ENDINGS = frozenset(
    ["3gp", "avi", "flv", "gif", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv", "y4m"]
)
HELD_SHARE = 0.02


@dataclass(frozen=True)
class Clip:
    """One video file. `name` is its path under `root` with forward slashes, `held` says it is kept from training."""

    root: Path
    name: str
    source: str
    size: int
    held: bool = False

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self.root / self.name


@dataclass(frozen=True)
class Index:
    """All videos of the data folders in a fixed order, and `manifest`: sha256 over their sorted names and sizes
    (hex).
    """

    clips: tuple[Clip, ...]
    manifest: str

    @property
    def sources(self) -> dict[str, int]:
        """How many videos each source has."""
        counts: dict[str, int] = defaultdict(int)
        for clip in self.clips:
            counts[clip.source] += 1
        return dict(counts)


def index_folders(folders: Sequence[Path], seed: int = 0, evaluation: Sequence[Path] = ()) -> Index:
    """Index every video under `folders`, in an order that depends on names and `seed` alone.

    Folders called `eval` below a data folder are passed over, and evaluation folders themselves are refused. A file
    that two data folders hold under one name with one size counts once. Raises `TrainingError` where nothing can be
    found, and where a video is one of those in the folders `evaluation`, or in a folder called `eval` in or beside a
    data folder, or listed there in a MANIFEST.csv.
    """
    if not folders:
        raise TrainingError("no training data was named", "give a folder of videos with --data")
    found: dict[tuple[str, int], Clip] = {}
    for folder in folders:
        root = Path(folder)
        _refuse(root)
        for clip in _walk(root):
            found.setdefault((clip.name, clip.size), clip)
    if not found:
        raise TrainingError(
            f"no videos under {', '.join(str(f) for f in folders)}", "it looks for mp4, mkv, webm, mov, …"
        )
    _keep_apart([clip.path for clip in found.values()], folders, evaluation)
    manifest = hashlib.sha256()
    for name, size in sorted(found):
        manifest.update(f"{name}\0{size}\n".encode())
    clips = sorted(_hold_out(list(found.values())), key=lambda clip: (_digest(f"{seed}:{clip.name}"), clip.size))
    return Index(tuple(clips), manifest.hexdigest())


def _refuse(root: Path) -> None:
    """Refuse data folders that are not there or that are for evaluation."""
    if not root.is_dir():
        raise TrainingError(f"{root} is not a folder", "--data takes a folder of videos")
    whole = root.resolve()
    for part in (whole, *whole.parents):
        if part.name.lower() == "eval" and (part == whole or (part.parent / "train").is_dir()):
            raise TrainingError(f"{root} holds evaluation clips", "train on other clips, or figures would mean nothing")


def _keep_apart(training: Sequence[Path], folders: Sequence[Path], evaluation: Sequence[Path]) -> None:
    """Compare training files with those of evaluation folders, named or found."""
    for folder in evaluation:
        if not folder.is_dir():
            raise TrainingError(f"{folder} is not a folder", "--eval takes a folder of clips that are kept for evaluation")
    near = {place / "eval" for folder in folders for place in (Path(folder), Path(folder).resolve().parent)}
    apart = [*evaluation, *sorted(folder for folder in near if folder.is_dir())]
    judged = [clip.path for folder in apart for clip in _walk(folder, evaluation=True)]
    check_leakage(training, judged, [folder / MANIFEST for folder in apart if (folder / MANIFEST).is_file()])


def _walk(root: Path, evaluation: bool = False) -> Iterator[Clip]:
    """The videos under `root`, links followed, hidden names and (unless `evaluation`) `eval` folders passed over."""
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen or (not evaluation and os.path.basename(real).lower() == "eval"):
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and (evaluation or f.lower() != "eval"))
        for file in files:
            if file.startswith(".") or file.rpartition(".")[2].lower() not in ENDINGS:
                continue
            path = Path(folder, file)
            if path.is_file():
                inside = path.relative_to(root)
                source = inside.parts[0] if len(inside.parts) > 1 else root.resolve().name
                yield Clip(root, inside.as_posix(), source, path.stat().st_size)


def _hold_out(clips: list[Clip]) -> list[Clip]:
    """Mark 2 % of every source with 10 videos or more (and one video in all, of two or more) as held out.

    The choice hangs on names alone, not on the seed, so that runs over the same data are judged on the same videos.
    """
    groups: dict[str, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda clip: (_digest(clip.name), clip.size)):
        groups[clip.source].append(clip)
    counts = {name: math.ceil(len(group) * HELD_SHARE) if len(group) >= 10 else 0 for name, group in groups.items()}
    if not any(counts.values()) and len(clips) > 1:
        counts[max(groups, key=lambda name: (len(groups[name]), name))] = 1
    return [replace(clip, held=i < counts[name]) for name, group in groups.items() for i, clip in enumerate(group)]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
