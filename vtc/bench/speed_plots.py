"""The plots of speed.jsonl: how speed and memory grow with the size of the picture, time with the length, and where the time goes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from vtc.bench.canvas import SIZE, Draw, blank, line, mixed, name_lines
from vtc.bench.row import DONE
from vtc.bench.speed_row import ENCODE, SpeedRow
from vtc.bench.style import Look, Theme, colour_of

REAL_TIME = 25.0
"""Frames a second of a video that is watched."""

Values = dict[tuple[str, str, str], list[tuple[float, float]]]
"""Points of a line, by codec, device and verb."""


def speed_plots(rows: Sequence[SpeedRow]) -> dict[str, Draw]:
    """Those that the rows have points for, by title."""
    done = [row for row in rows if row.status == DONE]
    found: dict[str, Draw] = {}
    heights = {_area(row): row.height for row in done}
    by_size = _lines(_shortest(done), _area, lambda row: row.fps)
    if by_size:
        found["frames a second over size"] = _over_size(by_size, heights, "Frames a second over the size of the picture", REAL_TIME)
    by_length = _lines(done, lambda row: row.frames, lambda row: row.seconds, same=lambda row: (row.width, row.height))
    if by_length:
        found["seconds over length"] = _over_length(by_length)
    memory = _lines(_shortest([row for row in done if row.peak_mib]), _area, lambda row: row.peak_mib or 0.0)
    if memory:
        found["memory over size"] = _over_size(memory, heights, "Peak memory over the size of the picture, MiB")
    parted = [row for row in done if row.parts]
    for codec, device in dict.fromkeys(map(_where, parted)):
        found[f"{codec}, time by part, {device}"] = _by_part([row for row in parted if _where(row) == (codec, device)])
    return found


def _area(row: SpeedRow) -> float:
    return row.width * row.height


def _where(row: SpeedRow) -> tuple[str, str]:
    return row.codec, row.device


def _shortest(rows: Sequence[SpeedRow]) -> list[SpeedRow]:
    """Of every size the shortest video: one size has long ones as well, and all are to be held against each other."""
    best: dict[tuple[object, ...], SpeedRow] = {}
    for row in sorted(rows, key=lambda row: -row.frames):
        best[row.codec, row.bundle, row.device, row.threads, row.verb, row.width, row.height] = row
    return list(best.values())


def _lines(
    rows: Sequence[SpeedRow],
    x: Callable[[SpeedRow], float],
    y: Callable[[SpeedRow], float],
    same: Callable[[SpeedRow], object] = lambda row: None,
) -> Values:
    """Lines of two points or more. Where `same` has several values, the one with the most points counts."""
    grouped: dict[tuple[str, str, str], dict[object, dict[float, float]]] = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        grouped[row.codec, row.device, row.verb][same(row)][x(row)] = y(row)
    chosen = {key: max(kinds.values(), key=len) for key, kinds in grouped.items()}
    return {key: sorted(points.items()) for key, points in sorted(chosen.items()) if len(points) > 1}


def _look(codec: str, device: str, verb: str, values: Values) -> Look:
    """Decoding is dashed; what all lines share is not named."""
    several = [len({key[at] for key in values}) > 1 for at in range(2)]
    words = [codec if several[0] else "", device if several[1] else "", verb]
    return Look(" ".join(filter(None, words)), colour_of(codec), None if verb == ENCODE else (3.2, 1.4), device == "cpu")


def _over_size(values: Values, heights: Mapping[float, int], title: str, level: float | None = None) -> Draw:
    """`level`: a line to hold the others against, which makes the vertical axis one of decades."""

    def draw(theme: Theme) -> Figure:
        figure, (axes,) = blank(theme, title)
        _draw_lines(axes, values, theme, level)
        axes.set_xscale("log")
        if level is None:
            axes.set_ylim(bottom=0)
        else:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        sizes = _apart(sorted({x for points in values.values() for x, _ in points}))
        axes.set_xticks(sizes, [str(heights[size]) for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("lines of the picture, spaced by its area")
        _name(axes, values, theme)
        return figure

    return draw


def _apart(rising: Sequence[float], factor: float = 1.5) -> list[float]:
    """Those that have room for a number below them."""
    kept: list[float] = []
    for each in rising:
        if not kept or each >= factor * kept[-1]:
            kept.append(each)
    return kept


def _over_length(values: Values) -> Draw:
    def draw(theme: Theme) -> Figure:
        figure, (axes,) = blank(theme, "Seconds over the length of the video")
        _draw_lines(axes, values, theme, None)
        axes.set_ylim(bottom=0)
        axes.set_xlim(left=0)
        axes.set_xlabel("frames")
        _name(axes, values, theme)
        return figure

    return draw


def _by_part(rows: Sequence[SpeedRow]) -> Draw:
    """Nanoseconds a pixel of every part, a bar for each verb and size."""
    ordered = sorted(_shortest(rows), key=lambda row: (row.verb, _area(row)), reverse=True)
    names = list(dict.fromkeys(name for row in rows for name in row.parts))

    def draw(theme: Theme) -> Figure:
        first = ordered[0]
        figure, (axes,) = blank(
            theme, f"{first.codec}, {first.device}: nanoseconds a pixel", size=(SIZE[0], 0.95 + 0.3 * len(ordered))
        )
        left = [0.0] * len(ordered)
        colour = colour_of(first.codec)[theme.hue]
        for number, name in enumerate(names):
            widths = [1e9 * row.parts.get(name, 0.0) / (row.frames * _area(row)) for row in ordered]
            shade = mixed(colour, theme.paper, number / max(len(names), 2))
            axes.barh(range(len(widths)), widths, left=left, color=shade, height=0.7, label=name)
            left = [a + b for a, b in zip(left, widths)]
        axes.set_yticks(range(len(ordered)), [f"{row.verb} {row.width}×{row.height}" for row in ordered])
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x", color=theme.grid, linewidth=0.8)
        figure.legend(loc="outside lower left", ncols=len(names), frameon=False, fontsize=8.5, handlelength=0.9, handleheight=0.9)
        return figure

    return draw


def _draw_lines(axes: Axes, values: Values, theme: Theme, level: float | None) -> None:
    if level is not None:
        axes.axhline(level, color=theme.quiet, linewidth=0.8, linestyle=(0, (1, 2)))
        axes.annotate("real time, 25", (1, level), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
                      color=theme.quiet, fontsize=7.5, ha="right")  # fmt: skip
    for key, points in values.items():
        line(axes, points, _look(*key, values), theme)


def _name(axes: Axes, values: Values, theme: Theme) -> None:
    name_lines(axes, [(*points[-1], replace(_look(*key, values), ours=False)) for key, points in values.items()], theme)
