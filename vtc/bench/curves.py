"""From rows to curves: the points of one codec with all else equal, each a mean over the same clips.

The averages of the field, by name: `psnr` is the mean over frames, then over clips; `psnr_clip` the PSNR of each clip's mean
squared error, mean over clips; `psnr_mse` the PSNR of the mean squared error of all clips. Every other metric is the mean over
frames, then over clips. `bpp` is the mean over clips as well. FVD is taken of all clips of a point together."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from vtc.bench.catalogue import METRICS
from vtc.bench.row import DONE, Row

KNOBS = ("quality", "crf", "qp")
"""Settings that differ from point to point of one curve."""


@dataclass(frozen=True, order=True)
class Series:
    """What the points of a curve have in common. `variant`: the words behind the knob in `Row.point`, such as "steps4"; `told`:
    all settings but the knob; `bundle`: sha256 or ""."""

    dataset: str
    protocol: str
    keyframes: str
    codec: str
    preset: str
    variant: str
    bundle: str
    told: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, row: Row) -> Series:
        told = tuple(sorted((name, value) for name, value in row.settings.items() if name not in KNOBS))
        variant = row.point.partition(" ")[2]
        return cls(row.dataset, row.protocol, row.keyframes, row.codec, row.preset, variant, row.bundle, told)

    @property
    def ours(self) -> bool:
        """Whether it is a bundle of vtc, and not a codec that it is held against."""
        return bool(self.bundle)

    @property
    def name(self) -> str:
        """For tables and plots; key frames are named beside them."""
        preset = "" if self.preset in ("", "-") else self.preset
        return " ".join(filter(None, (self.codec, preset, self.variant)))


@dataclass(frozen=True)
class Point:
    """A mean over the clips of a curve. `metrics` holds `psnr_mse` and `fvd` besides those of the rows; None where one is
    unavailable for any clip.

    `rows`: the clips, by name. `bytes` and `container_bytes` are sums, `tokens` is a mean (None unless every clip has them),
    `encode_fps` and `decode_fps` are frames over seconds of all clips, `peak_mib` is the highest."""

    name: str
    value: float
    rows: tuple[Row, ...]
    bpp: float
    metrics: dict[str, float | None]

    @property
    def bytes(self) -> int:
        return sum(row.bytes for row in self.rows)

    @property
    def container_bytes(self) -> int:
        return sum(row.container_bytes for row in self.rows)

    @property
    def frames(self) -> int:
        return sum(row.frames for row in self.rows)

    @property
    def tokens(self) -> float | None:
        return _all_or_none((row.tokens for row in self.rows), _mean)

    @property
    def encode_fps(self) -> float | None:
        return _all_or_none((row.encode_seconds for row in self.rows), lambda seconds: self.frames / max(sum(seconds), 1e-9))

    @property
    def decode_fps(self) -> float | None:
        return _all_or_none((row.decode_seconds for row in self.rows), lambda seconds: self.frames / max(sum(seconds), 1e-9))

    @property
    def peak_mib(self) -> float | None:
        return _all_or_none((row.peak_mib for row in self.rows), max)


@dataclass(frozen=True)
class Curve:
    """The points of a series, by rising bpp, all means over the clips `clips`, which every point has; `lost` are clips that
    another point or codec of the same data has and this curve lacks."""

    series: Series
    points: tuple[Point, ...]
    clips: tuple[str, ...]
    lost: tuple[str, ...] = field(default=())

    def values(self, metric: str) -> list[tuple[float, float]]:
        """bpp and metric of the points that have it."""
        return [(point.bpp, value) for point in self.points if (value := point.metrics.get(metric)) is not None]

    def of_clip(self, clip: str, metric: str) -> list[tuple[float, float]]:
        """bpp and metric of one clip, at the points that have it."""
        return [(row.bpp, value) for row in self._by_clip[clip] if (value := row.metrics.get(metric)) is not None]

    @cached_property
    def _by_clip(self) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {clip: [] for clip in self.clips}
        for point in self.points:
            for row in point.rows:
                found[row.clip].append(row)
        return found

    def restricted(self, clips: Iterable[str]) -> Curve:
        """The same over some of the clips; without FVD, which is of the whole set."""
        kept = set(clips)
        points = [_point(point.name, [row for row in point.rows if row.clip in kept], None) for point in self.points]
        return Curve(self.series, _by_rate(points), tuple(clip for clip in self.clips if clip in kept), self.lost)


def curves(rows: Sequence[Row], features: Path | None = None) -> list[Curve]:
    """The curves of the rows that are done, by series. `features`: folder of the I3D logits, float32 [2, C] in KEY.npy, for FVD.

    A clip that failed at one point of a series is left out of all of its points, so that these stay comparable.
   """
    every: dict[tuple[str, str], set[str]] = defaultdict(set)
    grouped: dict[Series, dict[str, dict[str, Row]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        every[row.dataset, row.protocol].add(row.clip)
        if row.status == DONE:
            grouped[Series.of(row)][row.point][row.clip] = row
    found = []
    for series, points in sorted(grouped.items()):
        clips = sorted(set.intersection(*(set(named) for named in points.values())))
        if clips:
            means = [_point(name, [named[clip] for clip in clips], features) for name, named in points.items()]
            lost = sorted(every[series.dataset, series.protocol] - set(clips))
            found.append(Curve(series, _by_rate(means), tuple(clips), tuple(lost)))
    return found


def _point(name: str, rows: list[Row], features: Path | None) -> Point:
    metrics = {metric: _all_or_none((row.metrics.get(metric) for row in rows), _mean) for metric in METRICS}
    metrics["psnr_mse"] = _all_or_none((row.metrics.get("psnr_clip") for row in rows), _of_mean_error)
    metrics["fvd"] = _fvd(rows, features)
    return Point(name, rows[0].value, tuple(rows), _mean([row.bpp for row in rows]), metrics)


def _by_rate(points: Iterable[Point]) -> tuple[Point, ...]:
    return tuple(sorted(points, key=lambda point: point.bpp))


def _of_mean_error(decibels: Sequence[float]) -> float:
    """PSNR of the mean of squared errors that are given as PSNR."""
    return -10 * math.log10(_mean([10 ** (-value / 10) for value in decibels]))


def _fvd(rows: Sequence[Row], features: Path | None) -> float | None:
    paths = [features / f"{row.key}.npy" for row in rows] if features else []
    if len(paths) < 2 or not all(path.is_file() for path in paths):
        return None
    from vtc.bench.fvd import frechet_distance

    logits = np.stack([np.load(path) for path in paths])
    return frechet_distance(logits[:, 0], logits[:, 1])


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _all_or_none(values: Iterable[float | None], combine: Callable[[list[float]], float]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return combine(known) if found and len(known) == len(found) else None
