"""What a run writes down: `log.jsonl`, one JSON object a line, and `curves.png`."""

import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc.errors import TrainingError
from vtc.training.parallel import ALONE, World


class Meter:
    """Means of the parts of the loss since the last reading; they stay on the device until they are read."""

    def __init__(self, world: World = ALONE) -> None:
        self._world = world
        self._parts: dict[str, list[Tensor]] = defaultdict(list)

    def add(self, parts: dict[str, Tensor]) -> None:
        """Take in one step's parts."""
        for name, part in parts.items():
            self._parts[name].append(part)

    def read(self) -> dict[str, float]:
        """The means over all processes, empty when nothing was added, and begin anew. Checks as `check` does."""
        means = self._world.mean(self._means())
        _check(means)
        self._parts.clear()
        return means

    def check(self) -> None:
        """Raise `TrainingError` when the loss or the gradient is no longer a number."""
        _check(self._means())

    def _means(self) -> dict[str, float]:
        return {name: torch.stack(parts).float().mean().item() for name, parts in self._parts.items()}


def _check(means: dict[str, float]) -> None:
    if not all(math.isfinite(means.get(name, 0.0)) for name in ("loss", "norm")):
        hint = "resume from the last checkpoint, or start again with a lower learning rate"
        raise TrainingError("the loss is no longer a finite number", hint)


class RunLog:
    """The log of a run in the folder `out`. Lines of steps after `step`, which will be run again, are dropped."""

    def __init__(self, out: Path, step: int) -> None:
        self.path, self.curves = out / "log.jsonl", out / "curves.png"
        kept = [line for line in read_log(self.path) if line["step"] <= step] if step else []
        self.path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def write(self, line: dict[str, Any]) -> None:
        """Append a line."""
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def draw(self) -> None:
        """Draw `curves.png` anew, where matplotlib is installed."""
        draw_curves(read_log(self.path), self.curves)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a `log.jsonl`; a last line that was cut off is left out."""
    lines: list[dict[str, Any]] = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def draw_curves(lines: list[dict[str, Any]], path: Path) -> None:
    """Plot losses and evaluation figures against steps, a panel each. Does nothing without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    machine = {"step", "lr", "stage", "clips/s", "gflop/s", "peak", "wait", "elapsed"}
    series: dict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for line in lines:
        for name, value in line.items():
            if name not in machine and isinstance(value, int | float):
                series[name][0].append(line["step"])
                series[name][1].append(value)
    if not series:
        return
    columns = min(3, len(series))
    rows = math.ceil(len(series) / columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for i, (name, (steps, values)) in enumerate(series.items()):
        panel = figure.add_subplot(rows, columns, i + 1)
        panel.plot(steps, values, linewidth=1)
        panel.set_title(name, fontsize=9)
        panel.grid(alpha=0.3)
    part = path.with_name(f".{path.name}")
    figure.savefig(part, format="png", dpi=90)
    part.replace(path)
