"""From what is asked for to results.jsonl: which rows are missing, and measuring them.

Rows are known by their content (`Row.key`): what was finished before is not computed again, and a bundle or an option that changed costs
its own rows only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from vtc import __version__
from vtc.bench.coder import DEFAULT, Coder, Sweep
from vtc.bench.datasets import Source
from vtc.bench.log import Log
from vtc.bench.machine import machine
from vtc.bench.measure import open_metrics
from vtc.bench.pool import Died, Pool
from vtc.bench.prepare import Protocol, sha256_of
from vtc.bench.row import DONE, FAILED, Row, read_rows
from vtc.bench.worker import LeftOut, Setup, Task, start, work

FVD = "fvd"
RESULTS, ABOUT = "results.jsonl", "about.json"
Progress = Callable[[int, int, Row | None], None]
"""Called with rows done, rows to do, and the last one."""


@dataclass(frozen=True)
class Request:
    """What is to be measured. `clips` of `dataset`; `coders`; `metrics`: their names; `weights`: folder of the metrics' weights, or None;
    `out`: folder of the results; `pictures`: how many clips, evenly chosen, pictures are kept of; `workers`: processes; `command`: what a
    person typed."""

    dataset: str
    clips: Sequence[Source]
    protocol: Protocol
    coders: Sequence[Coder]
    sweep: Sweep
    metrics: frozenset[str]
    out: Path
    weights: Path | None = None
    pictures: int = 6
    workers: int = 1
    command: str = ""


@dataclass
class Outcome:
    """How a run went. `rows`: all that were asked for, those of earlier runs among them; `fresh`: measured now; `left_out`: clips and
    codecs, with the reason; `unavailable`: metrics, with the reason."""

    rows: list[Row] = field(default_factory=list)
    fresh: int = 0
    left_out: dict[str, str] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> list[Row]:
        return [row for row in self.rows if row.status == FAILED]


def run(request: Request, progress: Progress | None = None) -> Outcome:
    """Measures what is missing in `request.out`, a row at a time. Raises `OutputError` or `OSError` where that cannot be written."""
    request.out.mkdir(parents=True, exist_ok=True)
    metrics = open_metrics(request.metrics, request.weights)
    outcome = Outcome(unavailable=dict(metrics.unavailable))
    for coder in request.coders:
        if reason := coder.missing():
            outcome.left_out[coder.codec] = reason
            continue
        there = {point.keyframes for point in coder.points(sweep_of(request))}
        for distance in set(sweep_of(request).keyframes) - there:
            outcome.left_out[f"{coder.codec}, key frames every {distance}"] = "its segments are longer than that"
    tasks = plan(request)
    known = {row.key: row for row in read_rows(request.out / RESULTS)}
    covers = Covers(request.metrics, metrics.hashes, metrics.unavailable, request.out)
    todo = [task for task in tasks if not covers(known.get(task.row.key))]
    _write_about(request, outcome)
    shutil.rmtree(request.out / "scratch", ignore_errors=True)
    setup = Setup(request.out, tuple(sorted(request.metrics)), request.weights)
    with Log(request.out / RESULTS) as log:
        for count, (task, found) in enumerate(Pool(request.workers, work, start, (setup,)).run(todo), 1):
            if isinstance(found, LeftOut):
                outcome.left_out[task.row.clip] = found.reason
                continue
            if isinstance(found, Died):
                found = replace(task.row, status=FAILED, reason="the process that coded it died (out of memory, or a crash of a library)")
            log.append(found.to_json())
            known[found.key] = found
            outcome.fresh += 1
            if progress is not None:
                progress(count, len(todo), found)
    shutil.rmtree(request.out / "scratch", ignore_errors=True)
    outcome.rows = [known[task.row.key] for task in tasks if task.row.key in known]
    _write_about(request, outcome)
    return outcome


def plan(request: Request) -> list[Task]:
    """A task for every row that is asked for, clip by clip."""
    sweep = sweep_of(request)
    asked = [(coder, point) for coder in request.coders if not coder.missing() for point in coder.points(sweep)]
    shown = {number * len(request.clips) // request.pictures for number in range(request.pictures)}
    tasks = []
    for number, clip in enumerate(request.clips):
        source = sha256_of(clip.path)
        for coder, point in asked:
            row = Row(
                dataset=request.dataset, protocol=request.protocol.name, clip=clip.name, source=source, codec=coder.codec,
                preset=point.preset, keyframes=point.keyframes, point=point.name, value=point.value, settings=point.settings,
                bundle=coder.bundle, command=point.command, version=__version__,
            )  # fmt: skip
            tasks.append(Task(row, clip.path, request.protocol, coder, point, number in shown))
    return tasks


def sweep_of(request: Request) -> Sweep:
    """The sweep without distances of key frames that the clips are too short for: every 16 of 16 frames is the one at the beginning."""
    keyframes = request.sweep.keyframes
    most = request.protocol.frames or sys.maxsize
    near = tuple(distance for distance in keyframes if distance == DEFAULT or int(distance) < most)
    return replace(request.sweep, keyframes=near or (DEFAULT,))


@dataclass(frozen=True)
class Covers:
    """Tells whether a row has all that is asked for: it is done, with `metrics`, by weights of these `hashes`."""

    metrics: frozenset[str]
    hashes: dict[str, str]
    unavailable: dict[str, str]
    out: Path

    def __call__(self, row: Row | None) -> bool:
        return row is not None and row.status == DONE and all(self._has(row, name) for name in self.metrics)

    def _has(self, row: Row, name: str) -> bool:
        if name == FVD:  # which is made of features in a file
            there = name in row.unavailable or (self.out / "features" / f"{row.key}.npy").is_file()
        else:
            there = name in row.metrics
        if not there or name in self.unavailable:
            return there
        # What was missing on the machine may have come since; what a clip cannot have, it never will.
        came = row.unavailable.get(name, "").startswith("needs")
        return not came and row.metric_weights.get(name, "") == self.hashes.get(name, "")


def _write_about(request: Request, outcome: Outcome) -> None:
    """What no row tells: the protocols in words, the machine, what was left out. Earlier runs into the same folder are kept."""
    path = request.out / ABOUT
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = {}
    commands = [command for command in about.get("commands", []) if command != request.command]
    about = {
        "version": __version__,
        "machine": machine(),
        "commands": [*commands, request.command],
        "protocols": about.get("protocols", {}) | {request.protocol.name: request.protocol.text},
        "left_out": about.get("left_out", {}) | {request.protocol.name: outcome.left_out},
        "unavailable": outcome.unavailable,
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    os.replace(part, path)
