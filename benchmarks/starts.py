"""What training brought: a bundle against what its run began with, the linear start, at equal bytes.

    python -m benchmarks.starts --data EVAL --model vtok-tiny --train TRAIN

The start and its entropy tables are fitted anew, by the bundle's recipe, to the clips that the bundle was trained on.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Model,
    Out,
    Report,
    Workers,
    clips,
    label,
    mean,
    parallel,
    psnr,
    scratch,
    square,
    untrained,
)

FRAMES = 128
QUALITIES = (20, 35, 50, 65, 80)
SAME_BYTES = 1.02
"""A start whose rate cannot be chosen counts where the bundle takes at most that many times its bytes."""

PROTOCOL = f"""The first {FRAMES} frames of clips that have as many, short side scaled to 128, the top left 128×128,
written as RGB without loss. The start: the recipe's linear start, fitted to the clips that the bundle was trained on,
with entropy tables of its own. The bundle at default options, its start at qualities {", ".join(map(str, QUALITIES))},
one decoding step, default decoder; bytes of whole files, RGB PSNR as mean over frames. The start's PSNR at the
bundle's bytes is read clip by clip between its points, on the logarithm of bytes. Where its rate cannot be chosen it
counts as it is, if the bundle takes no more than {SAME_BYTES} times its bytes."""


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    start: Path


def main(
    data: Data,
    train: Annotated[Path, typer.Option("--train", envvar="VTC_DATA", help="Folder of the bundle's training clips.", exists=True)],
    model: Model = "onedva",
    limit: Limit = 0,
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    from vtc.codec.weights import describe, find

    bundle = describe(find(model))
    report = Report(f"starts-{bundle.name}", f"{bundle.name} against its untrained start", PROTOCOL, model)
    with scratch() as folder:
        start = Path(folder, "start.safetensors")
        untrained(bundle.card["recipe"]["name"], Path(folder, "run"), train, start)
        jobs = [Job(path, str(bundle.path), start) for path in clips(data, limit)]
        report.rows = [row for rows in parallel(measure, jobs, workers) for row in rows]
    if not report.rows:
        raise typer.BadParameter(f"none of {len(jobs)} clips of {data} has {FRAMES} frames", param_hint="--data")
    compared = [row for row in report.rows if row["start_psnr"] is not None]
    told = "its bytes lie outside of what the start reaches"
    gain = mean(row["psnr"] - row["start_psnr"] for row in compared) if compared else None
    if gain is not None:
        told = f"{gain:+.2f} dB on {len(compared)} of {len(report.rows)} clips"
    # A few clips that can be compared say nothing of the others.
    met = None if gain is None or 2 * len(compared) < len(report.rows) else gain > 0
    report.claim(f"{bundle.name} beats its own untrained start at equal bytes", told, met)
    header = ["clip", "bytes", "PSNR", "start's PSNR there", "start: bytes → PSNR"]
    report.table(header, [line(row) for row in report.rows], f"Mean {mean(row['psnr'] for row in report.rows):.2f} dB")
    report.write(out)


def measure(job: Job) -> list[dict[str, Any]]:
    """The row of one clip; none for a clip that is too short."""
    with scratch() as name:
        folder = Path(name)
        pictures = square(job.path, folder / "clip.mp4", FRAMES)
        if pictures is None:
            return []
        size, decibels = coded(job.model, folder, pictures)
        points = sorted(coded(str(job.start), folder, pictures, quality=quality) for quality in QUALITIES)
    found = at_bytes(size, points)
    return [{"clip": label(job.path), "bytes": size, "psnr": decibels, "start_psnr": found, "start": points}]


def coded(model: str, folder: Path, pictures: np.ndarray, **options: Any) -> tuple[int, float]:
    """Bytes and PSNR of `folder`/clip.mp4 under a bundle, given by path."""
    import vtc

    os.environ["VTC_WEIGHTS"] = str(Path(model).parent)  # where opening a file looks for its bundle
    done = vtc.encode(folder / "clip.mp4", folder / "clip.vtc", model=model, threads=1, overwrite=True, **options)
    with vtc.open(folder / "clip.vtc", threads=1) as video:
        return done.bytes, psnr(pictures, video.frames)[0]


def at_bytes(size: int, points: list[tuple[int, float]]) -> float | None:
    """dB of a curve of (bytes, dB), by rising bytes, at `size` bytes; None outside of it."""
    sizes, decibels = zip(*points)
    if sizes[0] == sizes[-1]:
        return float(decibels[0]) if size <= SAME_BYTES * sizes[0] else None
    return float(np.interp(math.log(size), np.log(sizes), decibels)) if sizes[0] <= size <= sizes[-1] else None


def line(row: dict[str, Any]) -> list[str]:
    start = "outside" if row["start_psnr"] is None else f"{row['start_psnr']:.2f}"
    return [row["clip"], str(row["bytes"]), f"{row['psnr']:.2f}", start, ", ".join(f"{size} → {db:.2f}" for size, db in row["start"])]


if __name__ == "__main__":
    typer.run(main)
