"""What a report is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vtc.bench.bd import Comparison
from vtc.bench.canvas import Draw
from vtc.bench.curves import Curve, Series
from vtc.bench.row import Row
from vtc.bench.speed_row import SpeedRow
from vtc.bench.style import Look
from vtc.bench.summary import Group


@dataclass(frozen=True)
class Results:
    """Rows, and what was made of them. `plots`: those of every group, by title, in the order in which they are shown; `speeds`: rows
    of speed.jsonl, and `speed` their plots; `about`: about.json; `folder`: where the pictures lie."""

    rows: Sequence[Row]
    curves: Sequence[Curve]
    comparisons: Sequence[Comparison]
    looks: Mapping[Series, Look]
    plots: Mapping[Group, Mapping[str, Draw]]
    speeds: Sequence[SpeedRow]
    speed: Mapping[str, Draw]
    about: Mapping[str, Any]
    folder: Path

    def within(self, curves: Sequence[Curve]) -> list[Comparison]:
        """The comparisons among some of the curves."""
        inside = {curve.series for curve in curves}
        return [each for each in self.comparisons if each.test.series in inside and each.anchor.series in inside]


def group_title(group: Group) -> str:
    """A group of curves in words."""
    dataset, protocol, keyframes = group
    return f"{dataset}, {protocol}, {'key frames by default' if keyframes == 'default' else f'a key frame every {keyframes} frames'}"
