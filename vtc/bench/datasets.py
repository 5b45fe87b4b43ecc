"""The clips of a data set: where they lie, which of them count, in an order that never changes.

`ucf101`: the test list of the official split 1, which is groups g01 to g07 of every class, in the folder of classes as UCF101.rar unpacks.
`xiph`: the .y4m sequences of Xiph.org's collection. `uvg`: the raw .yuv (or .y4m) sequences of the Ultra Video Group. `folder`: every
video in a folder and below. None of them is fetched by this program.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from vtc.errors import MediaError, UsageError

VIDEOS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".y4m", ".yuv")
UCF101_TEST = 3783
"""Clips in the official test list 1."""

_UCF101_NAME = re.compile(r"v_(\w+)_g(\d\d)_c(\d\d)")
_UCF101_TEST_GROUPS = range(1, 8)


@dataclass(frozen=True)
class Dataset:
    """`folders`: names that it has below a folder of several data sets; `endings` of its files; `fetch`: how a person gets it."""

    name: str
    folders: tuple[str, ...]
    endings: tuple[str, ...]
    fetch: str


DATASETS = {
    each.name: each
    for each in (
        Dataset(
            "ucf101", ("UCF-101", "UCF101", "ucf101"), (".avi",),
            "unpack UCF101.rar (6.5 GB, www.crcv.ucf.edu/data/UCF101.php) and name the folder that holds UCF-101 with --data-root",
        ),
        Dataset(
            "xiph", ("xiph", "derf"), (".y4m",),
            "put .y4m sequences of media.xiph.org/video/derf into a folder and name it with --data-root",
        ),
        Dataset(
            "uvg", ("uvg", "UVG"), (".yuv", ".y4m"),
            "unpack sequences of ultravideo.fi/dataset.html into a folder, names with the size as they come, and name it with --data-root",
        ),
        Dataset("folder", (), VIDEOS, "name a folder of videos with --data-root"),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A clip: its `name` is its path below the data set's folder, with "/"."""

    name: str
    path: Path


def find_clips(name: str, root: Path | None, limit: int = 0) -> list[Source]:
    """The clips of data set `name`, in or below `root`, by name; at most `limit` of them (0: all), evenly chosen.

    Raises `UsageError` for a name that is not known, `MediaError`, with what to do, where the data set is not there.
    """
    dataset = DATASETS.get(name)
    if dataset is None:
        raise UsageError(f"no data set is called {name!r}", f"there are {', '.join(DATASETS)}")
    if root is None:
        raise UsageError(f"where {name} lies is not known", dataset.fetch)
    if not root.is_dir():
        raise MediaError(f"{root} is no folder", dataset.fetch)
    home = next((root / folder for folder in dataset.folders if (root / folder).is_dir()), root)
    found = [path for path in sorted(home.rglob("*")) if path.suffix.lower() in dataset.endings and path.is_file()]
    if name == "ucf101":
        found = [path for path in found if _in_test_split(path)]
    if not found:
        raise MediaError(f"no clip of {name} in {home}", dataset.fetch)
    count = min(limit or len(found), len(found))
    chosen = [found[number * len(found) // count] for number in range(count)]
    return [Source(path.relative_to(home).as_posix(), path) for path in chosen]


def _in_test_split(path: Path) -> bool:
    match = _UCF101_NAME.fullmatch(path.stem)
    return match is not None and int(match[2]) in _UCF101_TEST_GROUPS
