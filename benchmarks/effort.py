"""What `--effort` buys: bytes at equal PSNR, and seconds, at every level.

    python -m benchmarks.effort --data eval --minutes 7       # again and again: it goes on where it stopped
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Model,
    Out,
    Report,
    bundle,
    clips,
    label,
    mean,
    psnr,
    scratch,
    square,
)

PROTOCOL = """The first 48 frames of clips chosen evenly from the folder, those left out that have fewer, short side scaled
to 128 (area), the top left 128×128; and the first 32 frames of the folder's first clip of 320×240 with 100 or more, as
they are; written as RGB without loss. Default options but --quality and --effort. Bytes: all of the .vtc file. PSNR:
RGB of 8 bit, decoded with one step, mean over frames. Bytes at equal PSNR: BD-rate (package bjontegaard, pchip)
against level 0 in per cent, of each clip, then the mean over clips; less is better. Time: of one processor in a process
of one thread, by frame, all of an encode once everything is loaded, mean over qualities and clips."""

FRAMES, LARGE_FRAMES = 48, 32
LARGE, LONG = (320, 240), 100
QUALITIES = (25, 40, 55, 70)
LEVELS = (0, 1, 2, 3, 4)


@dataclass(frozen=True)
class Job:
    """One encode; `side`: of the square that is coded, None for the clip's own size."""

    path: Path
    side: int | None
    level: int
    quality: int
    model: str

    @property
    def size(self) -> str:
        return "×".join(map(str, LARGE if self.side is None else (self.side, self.side)))

    @property
    def key(self) -> tuple[str, str, int, int]:
        return label(self.path), self.size, self.level, self.quality


def main(
    data: Data,
    limit: Limit = 4,
    minutes: Annotated[float, typer.Option("--minutes", help="Begin nothing new after so many; 0: no limit.")] = 0.0,
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    import vtc

    began = time.monotonic()
    report = Report("effort", "Bytes and time at every --effort", PROTOCOL, model)
    known = kept(out / "effort.jsonl", model)
    # The quick levels first, so that a run that is cut short has whole curves.
    films = [*((path, 128) for path in clips(data, limit)), *((path, None) for path in large(data))]
    jobs = [Job(*film, level, quality, model) for level in LEVELS for film in films for quality in QUALITIES]
    codec = vtc.load(model, threads=1)  # kept, so that loading is not part of the time
    for job in jobs:
        if minutes and time.monotonic() - began > 60 * minutes:
            break
        if job.key not in known:
            known[job.key] = measure(job)
    del codec
    report.rows = [known[job.key] for job in jobs if job.key in known]
    tables(report)
    report.write(out)


def large(data: Path) -> Iterator[Path]:
    """The folder's first clip of 320×240 that is long enough, if there is one."""
    from vtc.media import open_source

    for path in clips(data):
        with open_source(path) as video:
            if (video.info.width, video.info.height) == LARGE and (video.info.frame_estimate or 0) >= LONG:
                yield path
                return


def tables(report: Report) -> None:
    """Fills the page from the rows; a level counts where every clip has its whole curve."""
    rows = [row for row in report.rows if row["bytes"]]
    films = {(row["clip"], row["size"]): None for row in rows}
    for size in {size: None for _, size in films}:
        names = [name for name, its in films if its == size]
        changes = {level: [bd_rate(rows, (name, size), level) for name in names] for level in LEVELS}
        gains = {level: mean(found) for level, found in changes.items() if None not in found}
        times = {level: 1000 * mean(seconds(rows, (name, size), level) for name in names) for level in gains}
        lines = [[level, f"{gain:+.1f} %", f"{times[level]:.0f} ms", f"{times[level] / times[0]:.1f}"] for level, gain in gains.items()]
        report.table(["--effort", "bytes at equal PSNR", "a frame takes", "times level 0"], lines, f"{size}, {len(names)} clips")
        report.table(
            ["clip", *(f"level {level}" for level in gains if level)],
            [[name, *(f"{changes[level][at]:+.1f} %" for level in gains if level)] for at, name in enumerate(names)],
        )
        met = all(b < a for a, b in pairwise(gains.values())) if len(gains) == len(LEVELS) else None
        told = ", ".join(f"{gain:+.1f} %" for level, gain in gains.items() if level)
        report.claim(f"every level takes fewer bytes than the one before, {size}", told, met)


def bd_rate(rows: list[dict[str, Any]], film: tuple[str, str], level: int) -> float | None:
    """Per cent more bytes than level 0 takes for the same PSNR; None where encodes are missing."""
    from vtc.bench.bd import rate_change

    curves = [[(row["bytes"], row["psnr"]) for row in at(rows, film, which)] for which in (0, level)]
    return rate_change(*curves).percent if all(len(points) == len(QUALITIES) for points in curves) else None


def seconds(rows: list[dict[str, Any]], film: tuple[str, str], level: int) -> float:
    """Of processor time by frame."""
    return mean(row["seconds"] / row["frames"] for row in at(rows, film, level))


def at(rows: list[dict[str, Any]], film: tuple[str, str], level: int) -> list[dict[str, Any]]:
    """The rows of a clip, by name and size, at a level."""
    return [row for row in rows if (row["clip"], row["size"], row["level"]) == (*film, level)]


def kept(path: Path, model: str) -> dict[tuple[str, str, int, int], dict[str, Any]]:
    """The rows of an earlier run with the same bundle."""
    if not path.is_file():
        return {}
    head, *rows = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    if head["bundle"] != bundle(model):
        return {}
    return {(row["clip"], row["size"], row["level"], row["quality"]): row for row in rows}


def measure(job: Job) -> dict[str, Any]:
    """One encode, and what its decoded frames are worth; 0 bytes of a clip that is too short."""
    import vtc

    row = {"clip": label(job.path), "size": job.size, "level": job.level, "quality": job.quality}
    frames = LARGE_FRAMES if job.side is None else FRAMES
    with scratch() as folder:
        source, coded = Path(folder, "source.mp4"), Path(folder, "coded.vtc")
        pictures = square(job.path, source, frames, job.side)
        if pictures is None:
            return {**row, "frames": 0, "bytes": 0, "psnr": None, "seconds": None}
        began = time.process_time()
        result = vtc.encode(source, coded, model=job.model, quality=job.quality, effort=job.level, threads=1)
        taken = time.process_time() - began
        with vtc.open(coded, threads=1) as video:
            decibels, _ = psnr(pictures, video.frames)
    return {**row, "frames": frames, "bytes": result.bytes, "psnr": round(decibels, 4), "seconds": round(taken, 3)}


if __name__ == "__main__":
    typer.run(main)
