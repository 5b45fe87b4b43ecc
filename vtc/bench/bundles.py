"""Bundles of vtc as the runner knows codecs: real files, by the same functions as `vtc encode` and `vtc decode`.

Importing this does not load torch: only coding does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import vtc
from vtc.bench.coder import DEFAULT, Coded, Point, Sweep, spaced, stopwatch, stored
from vtc.bench.prepare import Picture, Prepared
from vtc.codec.options import EncodeOptions
from vtc.codec.weights import describe, find
from vtc.container import Reader, open_reader

if TYPE_CHECKING:
    from vtc.codec.model import Model

LADDER = (10, 70)
"""First and last --quality of a sweep."""


@dataclass(frozen=True)
class Bundle:
    """A bundle, `path`, on a device. Its steps are points of their own; one whose bytes no quality changes has a single point."""

    path: Path
    device: str = "cpu"

    @property
    def codec(self) -> str:
        return self.path.stem

    @property
    def bundle(self) -> str:
        return describe(self.path).sha256

    @property
    def clip_frames(self) -> int:
        """Frames of a segment."""
        return int(describe(self.path).card["config"]["clip_frames"])

    @property
    def has_quality(self) -> bool:
        """Whether --quality changes its bytes: discrete tokens have no step."""
        return not all(stream.get("levels") for stream in describe(self.path).card["streams"])

    def missing(self) -> str:
        return ""

    def points(self, sweep: Sweep) -> list[Point]:
        qualities: Sequence[int] = sweep.qualities or spaced(LADDER, sweep.points)
        if not self.has_quality:
            qualities = [EncodeOptions.quality]
        # Segments stand alone at best: one that is longer than the distance asked for cannot be held against key frames so close.
        near = [k for k in sweep.keyframes if k == DEFAULT or int(k) >= self.clip_frames]
        return [
            self._point(keyframes, quality, steps, sweep.decoder)
            for keyframes in near
            for steps in sweep.steps
            for quality in qualities
        ]

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        from vtc.codec.encode import encode

        target = folder / "coded.vtc"
        model = _loaded(self.path, self.bundle, self.device)
        group = int(point.settings["group"]) if "group" in point.settings else None
        quality, steps = (int(point.settings[name]) for name in ("quality", "steps"))
        clock = time.process_time if model.device.type == "cpu" else time.perf_counter
        with stopwatch(clock) as encode_seconds:
            result = encode(
                clip.path, target, model=str(self.path), quality=quality, group=group, device=self.device, threads=1
            )
        with open_reader(target) as reader:
            with stopwatch(clock) as decode_seconds:
                pictures = stored(played(reader, model, steps, point.settings.get("decoder")), clip, folder)
            names = dict(enumerate(stream.name for stream in model.streams))
            streams = {names[number]: size for number, size in sorted(reader.count_bytes().streams.items())}
            cut = {number for number, stream in enumerate(model.streams) if stream.kind == "sequence"}
            segments = map(reader.segment, range(len(reader.index.segments)))
            kept = [sum(stream.tokens for stream in segment.streams if stream.id in cut) for segment in segments]
        return Coded(
            result.video_bytes, result.bytes, encode_seconds(), decode_seconds(), pictures, result.tokens, streams,
            kept if cut else [],
        )  # fmt: skip

    def _point(self, keyframes: str, quality: int, steps: int, decoder: str) -> Point:
        words = {"quality": str(quality), "steps": str(steps), "entropy": "auto"}
        encode, decode, name = f"--quality {quality}", f"--steps {steps}", f"q{quality}"
        if keyframes != DEFAULT:
            words["group"] = str(group_of(int(keyframes), self.clip_frames))
            encode += f" --group {words['group']}"
        if steps != 1:
            name += f" steps{steps}"
        if decoder:
            words["decoder"] = decoder
            decode += f" --decoder {decoder}"
            name += f" {decoder}"
        told = {"device": self.device, "threads": "1", "libraries": f"vtc {vtc.__version__}, torch {version('torch')}"}
        command = f"vtc encode source.mp4 -o coded.vtc --model {self.codec} {encode}"
        command += f" && vtc decode coded.vtc -o decoded.mp4 --codec ffv1 {decode}"
        return Point("-", keyframes, name, quality, words | told, command)


def group_of(distance: int, clip_frames: int) -> int:
    """Segments a group, so that one stands alone every `distance` frames, or more often where a segment is longer than that."""
    return max(1, distance // clip_frames)


def played(reader: Reader, model: Model, steps: int, decoder: str | None = None) -> Iterator[Picture]:
    """The pictures of a file as they were coded, uint8 [H, W, 3]."""
    from vtc.codec.player import Player

    for segment in Player(reader, model, steps=steps, decoder=decoder).play(0, len(reader.index.segments)):
        assert segment.frames is not None  # strict: damage is an error
        yield from segment.frames


@lru_cache(maxsize=1)
def _loaded(path: Path, sha256: str, device: str) -> Model:
    from vtc.codec.model import load_model

    return load_model(path, device, threads=1)


def find_bundle(name: str, device: str) -> Bundle:
    """The bundle of a name or path. Raises `BundleError`."""
    return Bundle(find(name), device)
