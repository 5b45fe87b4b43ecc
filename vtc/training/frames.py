"""Where the arrays of cached videos lie while batches are cut: on disk, or all of them on the device."""

import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vtc.training.cache import Entry

Array = np.ndarray | Tensor
ROOM = 0.4
"""Share of a device's free memory that frames may take; the rest is for the network."""


class Frames(Protocol):
    """The arrays of a cached video, by name."""

    def __call__(self, entry: Entry) -> Mapping[str, Array]: ...


class DiskFrames:
    """Memory-mapped arrays: the system keeps in memory what is read often."""

    def __call__(self, entry: Entry) -> dict[str, np.ndarray]:
        return {name: _map(_path(entry, name)) for name in entry.arrays}


class DeviceFrames:
    """All arrays of all videos on a device, in the types that they are cached in (pictures: uint8), so that batches are
    cut there and nothing is carried over while training.
    """

    def __init__(self, entries: Iterable[Entry], device: torch.device) -> None:
        self._tensors = {
            entry.folder: {name: torch.from_numpy(np.load(_path(entry, name))).to(device) for name in entry.arrays}
            for entry in entries
        }

    def __call__(self, entry: Entry) -> dict[str, Tensor]:
        return self._tensors[entry.folder]


def fits(entries: Iterable[Entry], device: torch.device) -> bool:
    """Whether the device is a GPU with room for all frames."""
    if device.type != "cuda":
        return False
    size = sum(_path(entry, name).stat().st_size for entry in entries for name in entry.arrays)
    return size <= ROOM * torch.cuda.mem_get_info(device)[0]


def _path(entry: Entry, name: str) -> Path:
    return entry.folder / f"{name}.npy"


_HEADERS = threading.Lock()
"""Held while a file is opened: numpy reads its header with Python's parser, which in 3.11 and 3.12 must not be entered by two threads
(«AST constructor recursion depth mismatch»)."""


@lru_cache(maxsize=8192)
def _map(path: Path) -> np.ndarray:
    with _HEADERS:
        array: np.ndarray = np.load(path, mmap_mode="r")
    return array
