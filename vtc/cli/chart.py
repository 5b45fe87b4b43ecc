"""Charts over time in plain Unicode, for a terminal or a log."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"


def columns(values: Sequence[float], width: int) -> list[float]:
    """At most `width` means over equal parts of `values`."""
    if len(values) <= width:
        return [float(value) for value in values]
    edges = [len(values) * i // width for i in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def bars(values: Sequence[float], top: float, height: int) -> list[str]:
    """`height` lines of one column a value, from 0 to `top`; a value above 0 always shows."""
    levels = [round(8 * height * value / top) if top > 0 else 0 for value in values]
    levels = [max(level, 1) if value > 0 else 0 for level, value in zip(levels, values)]
    return ["".join(BLOCKS[min(8, max(0, level - 8 * row))] for level in levels) for row in reversed(range(height))]


def chart(title: str, values: Sequence[float], *, peak: str, end: str, width: int = 64, height: int = 3) -> str:
    """A titled chart of `values` over time from 0 to `end`; `peak` names the highest value, where the top of the chart lies."""
    if not values:
        return ""
    shown = columns(values, width)
    # A few segments are drawn as wide columns, so that short clips have a chart too.
    wide = max(1, min(8, width // len(shown)))
    lines = bars([value for value in shown for _ in range(wide)], max(values), height)
    body = [f"  {line}│ {peak}" if i == 0 else f"  {line}│" for i, line in enumerate(lines)]
    length = len(lines[0])
    axis = "  0" + " " * max(1, length - len(end) - 1) + end
    return "\n".join([title, *body, "  " + "─" * length + "┘", axis])
