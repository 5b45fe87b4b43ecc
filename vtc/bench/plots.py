"""The plots of a benchmark, by matplotlib, on light or on dark paper.

One look for all: a thin grid, no frame, the name of the vertical axis above it, and codecs named at the end of their own line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.ticker
from matplotlib.figure import Figure

from vtc.bench.canvas import SIZE, Draw, blank, line, mixed, name_lines, short
from vtc.bench.catalogue import AVERAGES
from vtc.bench.curves import Curve, Series
from vtc.bench.row import Row
from vtc.bench.style import Look, Theme


def rate_distortion(curves: Sequence[Curve], metric: str, looks: Mapping[Series, Look]) -> Draw:
    """`metric` over bpp, a line for each curve that has it."""
    about = AVERAGES[metric]

    def draw(theme: Theme) -> Figure:
        title = f"{about.label}, {about.unit}" if about.unit else about.label
        figure, (axes,) = blank(theme, title, "" if about.higher else "lower is better")
        ends = []
        for curve in curves:
            look, values = looks[curve.series], curve.values(metric)
            if values:
                line(axes, values, look, theme)
                ends.append((*values[-1], look))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(10, (1, 2, 5)))
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axes.set_xlabel("bits per pixel")
        name_lines(axes, ends, theme)
        return figure

    return draw


def rate_by_stream(curve: Curve, look: Look) -> Draw:
    """Bits per pixel of each stream at every point of a bundle's curve, stacked, in shades of the bundle's colour."""
    names = sorted({name for point in curve.points for row in point.rows for name in row.streams})
    pixels = [sum(row.frames * row.width * row.height for row in point.rows) for point in curve.points]
    sizes = {name: [sum(row.streams.get(name, 0) for row in point.rows) for point in curve.points] for name in names}

    def draw(theme: Theme) -> Figure:
        figure, (axes,) = blank(theme, f"{look.name}: bits per pixel by stream", size=(SIZE[0], 1.1 + 0.3 * len(curve.points)))
        left = [0.0] * len(pixels)
        for number, (name, bytes_) in enumerate(sizes.items()):
            shade = mixed(look.colour[theme.hue], theme.paper, number / max(len(sizes), 2))
            widths = [8 * size / count for size, count in zip(bytes_, pixels)]
            axes.barh(range(len(widths)), widths, left=left, color=shade, height=0.7, label=name)
            left = [a + b for a, b in zip(left, widths)]
        axes.set_yticks(range(len(pixels)), [point.name for point in curve.points])
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x", color=theme.grid, linewidth=0.8)
        axes.margins(x=0.02)
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(6))
        figure.legend(loc="outside lower left", ncols=len(names), frameon=False, fontsize=8.5, handlelength=0.9, handleheight=0.9)
        return figure

    return draw


def length_over_time(rows: Sequence[Row], look: Look) -> Draw:
    """Kept 1D tokens of every segment of some clips, a strip for each clip, over its time."""
    top = max(max(row.lengths) for row in rows)

    def draw(theme: Theme) -> Figure:
        size = (SIZE[0], 0.75 + 0.52 * len(rows))
        figure, strips = blank(theme, f"{look.name}: 1D tokens kept in each segment", size=size, rows=len(rows))
        colour = look.colour[theme.hue]
        for axes, row in zip(strips, rows):
            span = row.frames / row.fps / len(row.lengths)
            times, kept = [span * index for index in range(len(row.lengths) + 1)], [*row.lengths, row.lengths[-1]]
            axes.fill_between(times, kept, step="post", color=mixed(colour, theme.paper, 0.72), linewidth=0)
            axes.plot(times, kept, drawstyle="steps-post", color=colour, linewidth=1.6)
            axes.set_ylim(0, 1.08 * top)
            axes.set_yticks([0, top])
            axes.margins(x=0)
            axes.text(1.02, 0.5, short(Path(row.clip).stem), transform=axes.transAxes, va="center", color=theme.ink)
        strips[-1].set_xlabel("seconds")
        return figure

    return draw
