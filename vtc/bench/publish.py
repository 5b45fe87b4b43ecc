"""From a folder of results to everything that is read: summary.csv, bd_rate.csv, plots as PNG, and report.html."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vtc.bench.canvas import Draw, png
from vtc.bench.catalogue import AVERAGES, METRICS
from vtc.bench.curves import Curve, Series, curves
from vtc.bench.plots import length_over_time, rate_by_stream, rate_distortion
from vtc.bench.report import Results, write_report
from vtc.bench.row import read_rows
from vtc.bench.speed_plots import speed_plots
from vtc.bench.speed_row import read_speeds
from vtc.bench.style import LIGHT, Look, looks
from vtc.bench.summary import comparisons, groups, typical, write_bd_rates, write_summary

RESULTS, SPEEDS, ABOUT = "results.jsonl", "speed.jsonl", "about.json"
MOST_STRIPS = 6
"""Clips whose lengths are shown."""


def publish(folder: Path) -> list[Path]:
    """Write the tables, the plots and the report of results.jsonl and speed.jsonl in `folder` beside them; returns their paths.

    Where only speed was measured there are no tables. What is there is replaced; the same rows give the same files. Raises
    `FormatError` on results that are no results.
    """
    rows = read_rows(folder / RESULTS)
    found = curves(rows, folder / "features")
    compared = comparisons(found)
    dressed = looks(curve.series for curve in found)
    speeds = read_speeds(folder / SPEEDS)
    written = []
    if rows or not speeds:
        write_summary(found, folder / "summary.csv")
        write_bd_rates(compared, folder / "bd_rate.csv")
        written = [folder / "summary.csv", folder / "bd_rate.csv"]
    plots = {group: plots_of(members, dressed) for group, members in groups(found).items()}
    for old in folder.glob("plot_*.png"):
        old.unlink()
    for group, named in plots.items():
        for title, draw in named.items():
            path = folder / f"plot_{slug(*group, title)}.png"
            png(draw, LIGHT, path)
            written.append(path)
    speed = speed_plots(speeds)
    for title, draw in speed.items():
        path = folder / f"plot_speed-{slug(title)}.png"
        png(draw, LIGHT, path)
        written.append(path)
    results = Results(rows, found, compared, dressed, plots, speeds, speed, about(folder), folder)
    write_report(results, folder / "report.html")
    return [*written, folder / "report.html"]


def plots_of(group: Sequence[Curve], dressed: Mapping[Series, Look]) -> dict[str, Draw]:
    """The plots of one group of curves, by title: rate and distortion by every metric, then of each bundle its streams and its lengths."""
    chosen = typical(group)
    found = {
        AVERAGES[name].label: rate_distortion(chosen, name, dressed)
        for name in AVERAGES
        if name in _PLOTTED and any(curve.values(name) for curve in chosen)
    }
    for curve in chosen:
        look = dressed[curve.series]
        if any(row.streams for point in curve.points for row in point.rows):
            found[f"{look.name}, rate by stream"] = rate_by_stream(curve, look)
        middle = curve.points[len(curve.points) // 2]
        long = [row for row in middle.rows if len(row.lengths) > 1]
        if long:
            spaced = [long[number * len(long) // min(MOST_STRIPS, len(long))] for number in range(min(MOST_STRIPS, len(long)))]
            found[f"{look.name}, length over time"] = length_over_time(spaced, look)
    return found


_PLOTTED = {*METRICS, "fvd"} - {"psnr_clip"}
"""Metrics with a plot of their own: the other averages of PSNR would only repeat it."""


def slug(*words: str) -> str:
    """Words as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


def about(folder: Path) -> dict[str, Any]:
    """about.json: what no row tells. Empty where it is missing."""
    path = folder / ABOUT
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
