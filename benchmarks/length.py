"""Length of the 1D latents by motion against one length for all, at the same bytes, on still and moving clips together.

    python -m benchmarks.length --data eval
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
    Data,
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
)

PROTOCOL = """The first 48 frames of the stillest and the most moving clips of the folder (mean absolute difference
between frames), as many of each, short side scaled to 128 (area), the top left 128×128, written as RGB without loss;
default quality. Motion rule: --length 1 (and 0.5, 2). Fixed: --tokens K for a row of K from none to all. Bytes of the
whole file and RGB PSNR (mean over frames), means over clips. Fixed length at the motion rule's bytes: straight lines
between the neighbouring K."""

FRAMES = 48
FACTORS = (0.5, 1.0, 2.0)
EVEN = 0.005
"""dB: less than this is a draw."""


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    lengths: tuple[int, ...]


def main(
    data: Data,
    each: Annotated[int, typer.Option("--each", min=1, help="So many still and so many moving clips.")] = 8,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("length", "Length of the 1D latents: by motion, or the same for all", PROTOCOL, model)
    moving = [pair for pair in parallel(motion, clips(data), workers) if pair[0] is not None]
    ranked = [path for _, path in sorted(moving, key=lambda pair: (pair[0], pair[1]))]
    each = min(each, len(ranked) // 2)
    chosen = [*ranked[:each], *ranked[-each:]]
    lengths = grid(positions(model))
    jobs = [Job(path, model, lengths) for path in chosen]
    report.rows = [
        {**row, "kind": "still" if number < each else "moving"}
        for number, rows in enumerate(parallel(measure, jobs, workers)) for row in rows
    ]  # fmt: skip
    fixed = [(mean(row["bytes"] for row in rows), mean(row["psnr"] for row in rows)) for rows in by(report, "tokens", lengths)]
    verdicts, lines = [], []
    for factor, rows in zip(FACTORS, by(report, "length", FACTORS)):
        size, decibels = mean(row["bytes"] for row in rows), mean(row["psnr"] for row in rows)
        beside = fixed_at(size, fixed)
        kept = [mean(row["kept"] for row in rows if row["kind"] == kind) for kind in ("still", "moving")]
        gain = None if beside is None else decibels - beside
        verdicts.append((factor, gain, beside, decibels, size))
        lines.append([
            f"--length {factor:g}", f"{size:.0f}", f"{decibels:.3f}", *(f"{count:.1f}" for count in kept),
            "outside" if beside is None else f"{beside:.3f}", "–" if gain is None else f"{gain:+.3f}",
        ])  # fmt: skip
    for length, (size, decibels) in zip(lengths, fixed):
        lines.append([f"--tokens {length}", f"{size:.0f}", f"{decibels:.3f}", str(length), str(length), "", ""])
    header = ["", "mean bytes", "PSNR", "kept, still", "kept, moving", "fixed length at these bytes", "gain in dB"]
    report.table(header, lines, f"Means over {len(chosen)} clips, half of them still")
    spread = max(db for _, db in fixed) - min(db for _, db in fixed)
    report.text(
        f"All {lengths[-1]} latents against none: {fixed[-1][1] - fixed[0][1]:+.3f} dB for {fixed[-1][0] - fixed[0][0]:+.0f} bytes a clip; "
        f"the lengths lie within {spread:.3f} dB."
    )
    _, gain, beside, decibels, size = next(verdict for verdict in verdicts if verdict[0] == 1.0)
    claim = "motion-scored length gives better PSNR than fixed length at the same mean bytes"
    if gain is None:
        report.claim(claim, f"no comparison: {size:.0f} bytes lie outside of what fixed lengths reach", None)
    else:
        word = "better" if gain > EVEN else "worse" if gain < -EVEN else "a draw"
        report.claim(claim, f"{word}: {decibels:.3f} dB against {beside:.3f} dB at {size:.0f} bytes, {gain:+.3f} dB", gain > EVEN)
    report.write(out)


def motion(path: Path) -> tuple[float | None, Path]:
    """Mean absolute difference between frames, and the clip again; None for a clip that is too short."""
    with scratch() as folder:
        pictures = square(path, Path(folder, "clip.mp4"), FRAMES)
    return (None if pictures is None else float(np.abs(np.diff(pictures.astype(np.int16), axis=0)).mean())), path


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one clip: by motion with each factor, and each fixed length."""
    import vtc

    rows: list[dict[str, Any]] = []
    settings = [{"length": factor} for factor in FACTORS] + [{"tokens": length} for length in job.lengths]
    with scratch() as folder:
        source = Path(folder, "source.mp4")
        pictures = square(job.path, source, FRAMES)
        assert pictures is not None
        for number, setting in enumerate(settings):
            coded = Path(folder, f"{number}.vtc")
            result = vtc.encode(source, coded, model=job.model, threads=1, **setting)
            with vtc.open(coded, threads=1) as video:
                frames, clip = psnr(pictures, video.frames)
                kept = mean(len(video.tokens(segment)["query"]) for segment in range(video.segments))
            rows.append({
                "clip": label(job.path), "length": setting.get("length"), "tokens": setting.get("tokens"), "bytes": result.bytes,
                "psnr": frames, "psnr_clip": clip, "kept": kept,
            })  # fmt: skip
    return rows


def positions(model: str) -> int:
    """How many 1D latents a clip has at most."""
    from vtc.codec.weights import describe, find

    return next(stream["positions"] for stream in describe(find(model)).card["streams"] if stream["name"] == "query")


def grid(most: int) -> tuple[int, ...]:
    """Lengths from none to all, closer together where they are short."""
    shares = (0, 1 / 16, 1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1)
    return tuple(sorted({round(share * most) for share in shares}))


def by(report: Report, name: str, values: tuple[Any, ...]) -> list[list[dict[str, Any]]]:
    """The rows with each of these values."""
    return [[row for row in report.rows if row[name] == value] for value in values]


def fixed_at(size: float, fixed: list[tuple[float, float]]) -> float | None:
    """dB that fixed lengths reach at a mean of `size` bytes; None outside."""
    sizes, decibels = zip(*sorted(fixed))
    return float(np.interp(size, sizes, decibels)) if sizes[0] <= size <= sizes[-1] else None


if __name__ == "__main__":
    typer.run(main)
