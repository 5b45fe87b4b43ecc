"""Codecs that go wrong, for the runner to live through. In a module of their own, so that other processes can import it."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vtc.bench.coder import Coded, Point, Sweep, stored
from vtc.bench.prepare import Prepared
from vtc.errors import MediaError

POINT = Point("-", "default", "only", 1.0, {"how": "badly"}, "none")


@dataclass(frozen=True)
class Copying:
    """Loses nothing, and writes a line into `seen` for every clip."""

    seen: Path
    codec: str = "copy"
    bundle: str = ""

    def missing(self) -> str:
        return ""

    def points(self, sweep: Sweep) -> list[Point]:
        return [POINT]

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        assert not list(folder.iterdir())
        with self.seen.open("a") as file:
            file.write(f"{clip.frames}\n")
        return Coded(1000, 1100, 0.5, 0.25, stored(clip.pictures(), clip, folder))


@dataclass(frozen=True)
class Failing(Copying):
    codec: str = "failing"

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        raise MediaError("the encoder\nhas said no", "ask again")


@dataclass(frozen=True)
class Short(Copying):
    """Gives back fewer pictures than it got."""

    codec: str = "short"

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        return Coded(1, 1, 0.0, 0.0, stored(list(clip.pictures())[1:], clip, folder))


@dataclass(frozen=True)
class Dying(Copying):
    codec: str = "dying"

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        os._exit(7)


@dataclass(frozen=True)
class Absent(Copying):
    codec: str = "absent"

    def missing(self) -> str:
        return "it is not on PATH"


def black(frames: int) -> list[np.ndarray]:
    return [np.zeros((64, 64, 3), np.uint8)] * frames
