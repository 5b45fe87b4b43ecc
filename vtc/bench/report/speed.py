"""The section of the report about speed: how it grows, every figure, and how it was measured."""

from __future__ import annotations

import re

from vtc.bench.report.group import number, plots_of
from vtc.bench.report.html import Cell, Html, join, table, tag
from vtc.bench.report.results import Results
from vtc.bench.row import DONE
from vtc.bench.speed_row import SpeedRow

MEASURED = """Every figure is of a command of vtc in a process of its own: frames over its own seconds, which hold reading, coding and
writing; the median where it was run several times. Start-up is the rest of its wall time: Python, torch and the bundle. The parts are
of one more run within one process, where they run beside each other in threads: together they may take longer than the whole."""

_LOAD = re.compile(r", load ([\d.]+)")


def speed_section(results: Results) -> Html:
    """Plots, then a line for every measurement, the smallest picture first."""
    done = sorted((row for row in results.speeds if row.status == DONE), key=_order)
    parts = list(dict.fromkeys(name for row in done for name in row.parts))
    head: list[Cell] = ["", "", "size", "frames", "runs", "fps", "start-up, s", "peak MiB", *(f"{name}, ms a frame" for name in parts)]
    lines: list[list[Cell]] = [
        [row.codec, f"{row.verb}, {row.device}", f"{row.width}×{row.height}", str(row.frames), str(row.runs), number(row.fps, 1),
         number(row.startup, 2), number(row.peak_mib, 0), *(number(_milliseconds(row, name), 1) for name in parts)]
        for row in done
    ]  # fmt: skip
    return join([plots_of(results.speed), table(head, lines, words=2), tag("p", MEASURED), tag("ul", *_how(done))])


def _order(row: SpeedRow) -> tuple[object, ...]:
    return row.codec, row.device, row.verb, row.width * row.height, row.frames


def _milliseconds(row: SpeedRow, part: str) -> float | None:
    return 1000 * row.parts[part] / row.frames if part in row.parts else None


def _how(rows: list[SpeedRow]) -> list[Html]:
    """What was run on what; in what order the rows came to be does not matter."""
    facts = {
        "video": {row.scene for row in rows},
        "threads": {str(row.threads) for row in rows},
        "command": {row.command for row in rows},
        "bundle": {f"{row.codec}, sha256 {row.bundle}" for row in rows if row.bundle},
        "machine": {_LOAD.sub("", row.machine) for row in rows},
        "load of the machine before a measurement": {_range([float(load) for row in rows for load in _LOAD.findall(row.machine)])},
        "vtc": {row.version for row in rows},
    }
    return [tag("li", f"{name}: ", tag("code", fact)) for name, found in facts.items() for fact in sorted(filter(None, found))]


def _range(values: list[float]) -> str:
    return f"{min(values):g} to {max(values):g}" if values else ""
