"""The plots of a benchmark, by matplotlib, on light or on dark paper.

One look for all: a thin grid, no frame, the name of the vertical axis above it, and codecs named at the end of their own line.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import matplotlib.colors
import matplotlib.ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vtc.bench.catalogue import FVD, METRICS, Metric
from vtc.bench.curves import Curve, Series
from vtc.bench.row import Row
from vtc.bench.style import Look, Theme

SIZE = (4.9, 3.4)
"""Inches: two stand beside each other on a desk, and one is still read on a telephone."""

PSNR_MSE = Metric("psnr_mse", "PSNR of the set", "dB", True, 2, "RGB of 8 bits, from the mean squared error of all clips")
AVERAGES = METRICS | {PSNR_MSE.name: PSNR_MSE, FVD.name: FVD}

Draw = Callable[[Theme], Figure]
"""A plot that is not drawn yet."""


def rate_distortion(curves: Sequence[Curve], metric: str, looks: Mapping[Series, Look]) -> Draw:
    """`metric` over bpp, a line for each curve that has it."""
    about = AVERAGES[metric]

    def draw(theme: Theme) -> Figure:
        title = f"{about.label}, {about.unit}" if about.unit else about.label
        figure, (axes,) = _blank(theme, title, "" if about.higher else "lower is better")
        ends = []
        for curve in curves:
            look, values = looks[curve.series], curve.values(metric)
            if values:
                _line(axes, values, look, theme)
                ends.append((*values[-1], look))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(matplotlib.ticker.LogLocator(10, (1, 2, 5)))
        axes.xaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:.3g}"))
        axes.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
        axes.set_xlabel("bits per pixel")
        _name_lines(axes, ends, theme)
        return figure

    return draw


def rate_by_stream(curve: Curve, look: Look) -> Draw:
    """Bits per pixel of each stream at every point of a bundle's curve, stacked, in shades of the bundle's colour."""
    names = sorted({name for point in curve.points for row in point.rows for name in row.streams})
    pixels = [sum(row.frames * row.width * row.height for row in point.rows) for point in curve.points]
    sizes = {name: [sum(row.streams.get(name, 0) for row in point.rows) for point in curve.points] for name in names}

    def draw(theme: Theme) -> Figure:
        figure, (axes,) = _blank(theme, f"{look.name}: bits per pixel by stream", size=(SIZE[0], 0.95 + 0.3 * len(curve.points)))
        left = [0.0] * len(pixels)
        for number, (name, bytes_) in enumerate(sizes.items()):
            shade = _mixed(look.colour[theme.hue], theme.paper, number / max(len(sizes), 2))
            widths = [8 * size / count for size, count in zip(bytes_, pixels)]
            axes.barh(range(len(widths)), widths, left=left, color=shade, height=0.7, label=name)
            left = [a + b for a, b in zip(left, widths)]
        axes.set_yticks(range(len(pixels)), [point.name for point in curve.points])
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x", color=theme.grid, linewidth=0.8)
        axes.margins(x=0.02)
        axes.legend(loc="lower right", frameon=False, fontsize=8.5, handlelength=0.9, handleheight=0.9)
        return figure

    return draw


def length_over_time(rows: Sequence[Row], look: Look) -> Draw:
    """Kept 1D tokens of every segment of some clips, a strip for each clip, over its time."""
    top = max(max(row.lengths) for row in rows)

    def draw(theme: Theme) -> Figure:
        size = (SIZE[0], 0.75 + 0.52 * len(rows))
        figure, strips = _blank(theme, f"{look.name}: 1D tokens kept in each segment", size=size, rows=len(rows))
        colour = look.colour[theme.hue]
        for axes, row in zip(strips, rows):
            span = row.frames / row.fps / len(row.lengths)
            times, kept = [span * index for index in range(len(row.lengths) + 1)], [*row.lengths, row.lengths[-1]]
            axes.fill_between(times, kept, step="post", color=_mixed(colour, theme.paper, 0.72), linewidth=0)
            axes.plot(times, kept, drawstyle="steps-post", color=colour, linewidth=1.6)
            axes.set_ylim(0, 1.08 * top)
            axes.set_yticks([0, top])
            axes.margins(x=0)
            axes.text(1.02, 0.5, _short(Path(row.clip).stem), transform=axes.transAxes, va="center", color=theme.ink)
        strips[-1].set_xlabel("seconds")
        return figure

    return draw


def png(draw: Draw, theme: Theme, path: Path) -> None:
    """Draw into a PNG file, twice as fine as a screen."""
    with _written(theme):
        draw(theme).savefig(path, format="png", dpi=200, metadata={"Software": None})


def svg(draw: Draw, theme: Theme) -> bytes:
    """The plot as SVG, the same bytes every time."""
    buffer = io.BytesIO()
    with _written(theme):
        draw(theme).savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
    return buffer.getvalue()


def _written(theme: Theme) -> AbstractContextManager[None]:
    """Settings that hold while a figure is made and written."""
    return matplotlib.rc_context({
        "font.family": "DejaVu Sans", "font.size": 8.5, "text.color": theme.ink, "axes.labelcolor": theme.quiet,
        "xtick.color": theme.quiet, "ytick.color": theme.quiet, "axes.edgecolor": theme.quiet, "svg.hashsalt": "vtc",
        "svg.fonttype": "path",
    })  # fmt: skip


def _blank(theme: Theme, title: str, remark: str = "", *, size: tuple[float, float] = SIZE, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with one or more rows of axes that have a grid and no frame; the title says what the vertical axis is."""
    figure = Figure(figsize=size, facecolor=theme.paper, layout="constrained")
    every: list[Axes] = list(figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0])
    for axes in every:
        axes.set_facecolor("none")
        for side, spine in axes.spines.items():
            spine.set_visible(side == "bottom")
            spine.set_color(theme.grid)
        axes.tick_params(length=0, pad=5)
        axes.set_axisbelow(True)
        axes.grid(color=theme.grid, linewidth=0.8)
        axes.grid(visible=False, axis="x")
    every[0].set_title(title, loc="left", fontsize=10, fontweight="bold", color=theme.ink, pad=10)
    if remark:
        every[0].set_title(remark, loc="right", fontsize=8.5, color=theme.quiet, pad=10)
    return figure, every


def _mixed(colour: str, paper: str, share: float) -> tuple[float, ...]:
    """A colour with so much of the paper in it."""
    one, other = (matplotlib.colors.to_rgb(each) for each in (colour, paper))
    return tuple((1 - share) * a + share * b for a, b in zip(one, other))


def _short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _line(axes: Axes, values: Sequence[tuple[float, float]], look: Look, theme: Theme) -> None:
    """A line with a dot at each point; ours are heavier and lie above."""
    colour = look.colour[theme.hue]
    axes.plot(
        *zip(*values), color=colour, linewidth=2.4 if look.ours else 1.5, marker="o", markersize=4.6 if look.ours else 3.2,
        markeredgewidth=0, zorder=3 if look.ours else 2, dashes=look.dash or (None, None),
    )  # fmt: skip


def _name_lines(axes: Axes, ends: Sequence[tuple[float, float, Look]], theme: Theme) -> None:
    """Names in the right margin, each beside the end of its line and as far from its neighbours as it needs; a hair leads to it."""
    figure = axes.figure
    axes.margins(x=0.03, y=0.06)
    axes.autoscale_view()
    assert isinstance(figure, Figure)
    height = axes.get_position().height * figure.get_size_inches()[1]
    gap = 0.155 / height
    to_axes = axes.transData + axes.transAxes.inverted()
    placed = sorted(((*to_axes.transform((x, y)), x, y, look) for x, y, look in ends), key=lambda each: each[1])
    heights = spread([each[1] for each in placed], gap)
    for (_, _, x, y, look), level in zip(placed, heights):
        colour = look.colour[theme.hue]
        axes.annotate(
            look.name, (x, y), (1.035, level), textcoords=axes.transAxes, color=colour, fontsize=8.5, va="center", ha="left",
            fontweight="bold" if look.ours else "normal", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.6, "alpha": 0.55, "relpos": (0, 0.5), "shrinkA": 1,
            "shrinkB": 3},
        )  # fmt: skip


def spread(levels: Sequence[float], gap: float) -> list[float]:
    """Rising levels in 0..1 moved apart to at least `gap`, as little as may be: neighbours that are too near share the way. None
    leaves 0..1 unless there is no room for all."""
    groups: list[tuple[float, int]] = []  # sum of levels and members, from below

    def ends(group: tuple[float, int]) -> tuple[float, float]:
        half = gap * (group[1] - 1) / 2
        centre = max(half, min(1 - half, group[0] / group[1]))
        return centre - half, centre + half

    for level in levels:
        group = level, 1
        while groups and ends(group)[0] < ends(groups[-1])[1] + gap:
            total, members = groups.pop()
            group = group[0] + total, group[1] + members
        groups.append(group)
    return [ends(group)[0] + gap * index for group in groups for index in range(group[1])]
