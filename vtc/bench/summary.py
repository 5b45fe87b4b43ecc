"""The tables of a benchmark: summary.csv, a line for every point of every codec, and bd_rate.csv, a line for every comparison."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vtc.bench.bd import Comparison, compare
from vtc.bench.catalogue import AVERAGES, METRICS
from vtc.bench.curves import Curve

ANCHORS = ("x264", "x265", "svtav1")
"""Codecs that everything else is compared with, where they were measured; of several presets, the one that is neither fastest nor
slowest."""

Group = tuple[str, str, str]
"""Data set, protocol and key frames: what curves must share to be held against each other."""


def groups(curves: Iterable[Curve]) -> dict[Group, list[Curve]]:
    """Curves that may stand in one plot, by their group; key frames by default come first."""
    found: dict[Group, list[Curve]] = defaultdict(list)
    for curve in sorted(curves, key=lambda curve: (curve.series.dataset, curve.series.protocol, curve.series.keyframes != "default")):
        found[curve.series.dataset, curve.series.protocol, curve.series.keyframes].append(curve)
    return dict(found)


def typical(curves: Iterable[Curve]) -> list[Curve]:
    """Of every codec one preset, the middle one by speed of encoding; all bundles. In the order given."""
    chosen: list[Curve] = []
    presets: dict[str, list[Curve]] = defaultdict(list)
    every = list(curves)
    for curve in every:
        presets[curve.series.codec].append(curve)
    for curve in every:
        same = sorted(presets[curve.series.codec], key=_speed)
        if curve.series.ours or curve is same[len(same) // 2]:
            chosen.append(curve)
    return chosen


def _speed(curve: Curve) -> float:
    speeds = [point.encode_fps or 0.0 for point in curve.points]
    return sum(speeds) / len(speeds)


def comparisons(curves: Iterable[Curve]) -> list[Comparison]:
    """Every curve against the anchors of its group, by every metric that was measured."""
    found = []
    for group in groups(curves).values():
        anchors = {curve.series.codec: curve for curve in typical(group) if curve.series.codec in ANCHORS}
        for metric in METRICS:
            having = [curve for curve in group if curve.values(metric)]
            for name in ANCHORS:
                if (anchor := anchors.get(name)) in having and anchor is not None:
                    found += [compare(anchor, test, metric) for test in having if test is not anchor]
    return found


def write_summary(curves: Sequence[Curve], path: Path) -> None:
    """summary.csv: means over the clips of a curve; `bytes`, `container_bytes` and `frames` are sums. An empty cell: not to be had."""
    points = [point for curve in curves for point in curve.points]
    metrics = [name for name in AVERAGES if any(point.metrics.get(name) is not None for point in points)]
    lines: list[dict[str, object]] = []
    for curve in curves:
        series = curve.series
        for point in curve.points:
            lines.append({
                "dataset": series.dataset, "protocol": series.protocol, "keyframes": series.keyframes, "codec": series.codec,
                "preset": series.preset, "point": point.name, "clips": len(curve.clips), "clips_lost": len(curve.lost),
                "frames": point.frames, "bytes": point.bytes, "container_bytes": point.container_bytes, "bpp": point.bpp,
                "tokens": point.tokens, **{name: point.metrics.get(name) for name in metrics}, "encode_fps": point.encode_fps,
                "decode_fps": point.decode_fps, "peak_mib": point.peak_mib, "bundle": series.bundle,
            })  # fmt: skip
    write_table(path, lines)


def write_bd_rates(found: Sequence[Comparison], path: Path) -> None:
    """bd_rate.csv: per cent more bytes than the anchor, of the mean curves and as the mean over clips. An empty cell has a `reason`."""
    lines: list[dict[str, object]] = []
    for each in found:
        series, anchor = each.test.series, each.anchor.series
        lines.append({
            "dataset": series.dataset, "protocol": series.protocol, "keyframes": series.keyframes, "metric": each.metric,
            "anchor": anchor.name, "codec": series.name, "method": each.mean.method, "percent": each.mean.percent,
            "from": _number(each.mean.low), "to": _number(each.mean.high), "overlap": each.mean.overlap, "reason": each.mean.reason,
            "difference_at_equal_rate": each.gap,
            "percent_mean_of_clips": each.percent_of_clips, "clips": len(each.clips), "clips_without": each.refused,
            "bundle": series.bundle,
        })  # fmt: skip
    write_table(path, lines)


def write_table(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    """A CSV file with a header; numbers with six digits, None as an empty cell. A table of no lines is an empty file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]) if lines else [], lineterminator="\n")
        if lines:
            writer.writeheader()
        for line in lines:
            writer.writerow({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in line.items()})


def _number(value: float) -> float | None:
    return value if value == value else None
