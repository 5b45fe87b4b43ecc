"""What all plots share: the paper, axes without a frame, names at the ends of lines, and how a plot becomes a file."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
import matplotlib.colors
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vtc.bench.style import Look, Theme

SIZE = (4.9, 3.4)
"""Inches: two stand beside each other on a desk, and one is still read on a telephone."""

Draw = Callable[[Theme], Figure]
"""A plot that is not drawn yet."""


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


def blank(theme: Theme, title: str, remark: str = "", *, size: tuple[float, float] = SIZE, rows: int = 1) -> tuple[Figure, list[Axes]]:
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


def mixed(colour: str, paper: str, share: float) -> tuple[float, ...]:
    """A colour with so much of the paper in it."""
    one, other = (matplotlib.colors.to_rgb(each) for each in (colour, paper))
    return tuple((1 - share) * a + share * b for a, b in zip(one, other))


def short(name: str, most: int = 18) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def line(axes: Axes, values: Sequence[tuple[float, float]], look: Look, theme: Theme) -> None:
    """A line with a dot at each point; ours are heavier and lie above."""
    colour = look.colour[theme.hue]
    axes.plot(
        *zip(*values), color=colour, linewidth=2.4 if look.ours else 1.5, marker="o", markersize=4.6 if look.ours else 3.2,
        markeredgewidth=0, zorder=3 if look.ours else 2, dashes=look.dash or (None, None),
    )  # fmt: skip


def name_lines(axes: Axes, ends: Sequence[tuple[float, float, Look]], theme: Theme) -> None:
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
