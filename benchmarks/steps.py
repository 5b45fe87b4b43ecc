"""What more diffusion steps bring: PSNR, MS-SSIM and the feature distance against `--steps`.

    VTC_METRIC_WEIGHTS=models python -m benchmarks.steps --data eval
"""

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
)

PROTOCOL = """The first 48 frames of clips chosen evenly from the folder, short side scaled to 128 (area), the top
left 128×128, written as RGB without loss, encoded once at the default quality and decoded with each number of steps,
seed 0. Means over frames, then over clips. MS-SSIM has four scales (the fifth does not fit into 128 pixels), their
weights scaled to the sum of all five. The feature distance is the squared distance of SqueezeNet 1.0 features of unit
length (vtc/bench/features.py), mean over positions and nine layers; lower is closer. fps: frames a second of one
thread, network and all."""

FRAMES = 48
STEPS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    weights: str | None


def main(
    data: Data,
    limit: Limit = 12,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="SqueezeNet 1.0, a file or its folder; else VTC_METRIC_WEIGHTS.")
    ] = None,
    without_features: Annotated[bool, typer.Option("--without-features", help="Leave the feature distance out.")] = False,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    from vtc.bench.features import find_file
    from vtc.errors import Unavailable

    try:
        found = None if without_features else str(find_file(weights))
    except Unavailable as problem:
        raise typer.BadParameter(f"{problem}, or leave it out with --without-features", param_hint="--weights") from None
    report = Report("steps", "PSNR, MS-SSIM and feature distance against diffusion steps", PROTOCOL, model)
    jobs = [Job(path, model, found) for path in clips(data, limit)]
    report.rows = [row for rows in parallel(measure, jobs, workers) for row in rows]
    lines = []
    for steps in STEPS:
        rows = [row for row in report.rows if row["steps"] == steps]
        features = "unavailable" if found is None else f"{mean(row['features'] for row in rows):.4f}"
        lines.append([
            str(steps), f"{mean(row['psnr'] for row in rows):.2f}", f"{mean(row['ms_ssim'] for row in rows):.4f}", features,
            f"{mean(row['fps'] for row in rows):.1f}",
        ])  # fmt: skip
    count = len({row["clip"] for row in report.rows})
    report.table(["steps", "PSNR", "MS-SSIM (4 scales)", "feature distance", "fps, one thread"], lines, f"Means over {count} clips")
    report.claim("PSNR, MS-SSIM and feature distance against steps, in a table", f"{len(STEPS)} numbers of steps, {count} clips", True)
    best = max(STEPS, key=lambda steps: mean(row["psnr"] for row in report.rows if row["steps"] == steps))
    report.claim("one step is the lowest-distortion decode", f"highest PSNR at {best}", best == 1)
    if found is not None:
        best = min(STEPS, key=lambda steps: mean(row["features"] for row in report.rows if row["steps"] == steps))
        report.claim("more steps buy realism", f"lowest feature distance at {best}", best > 1)
    report.write(out)


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one clip, one for each number of steps; none for a clip that is too short."""
    import time

    import vtc
    from vtc.bench.features import FeatureNet
    from vtc.bench.metrics import multiscale_similarity

    rows: list[dict[str, Any]] = []
    with scratch() as folder:
        source, coded = Path(folder, "source.mp4"), Path(folder, "clip.vtc")
        pictures = square(job.path, source, FRAMES)
        if pictures is None:
            return rows
        net = FeatureNet.load(job.weights) if job.weights else None
        result = vtc.encode(source, coded, model=job.model, threads=1)
        for steps in STEPS:
            with vtc.open(coded, steps=steps, threads=1) as video:
                began = time.perf_counter()
                decoded = video.frames[:]
                seconds = time.perf_counter() - began
            frames, clip = psnr(pictures, decoded)
            rows.append({
                "clip": label(job.path), "steps": steps, "frames": FRAMES, "bytes": result.bytes, "psnr": frames, "psnr_clip": clip,
                "ms_ssim": mean(multiscale_similarity(a, b) for a, b in zip(pictures, decoded)),
                "features": None if net is None else float(np.mean(net.distance(pictures, decoded))), "fps": FRAMES / seconds,
            })  # fmt: skip
    return rows


if __name__ == "__main__":
    typer.run(main)
