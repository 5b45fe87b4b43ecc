"""What a newcomer gets: a folder of 20 clips, the documented command, a bundle a quarter of an hour later, and how good it is.

    python -m benchmarks.newcomer_training --data train --init onedva-tiny
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
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

PROTOCOL = """Clips chosen evenly from the folder: `--clips` of them are the newcomer's folder, `--others` more stay outside. The
command is that of docs/TRAINING.md, run once as a process: index, fit, cache, training and export count. The KLT start
is the bundle of a run without `--init` before its first step, all of it fitted to the newcomer's clips, without 1D
latents, which would be bytes for nothing. With `--init`, that bundle may have been trained on these very clips, as
those in weights/ were on every clip of the training folder: then the figure says what a newcomer begins with, not what
is new in the run. Judged on the clips that the run held out and on those outside: the first 48 frames, short side 128,
top left square, at each quality; PSNR is the mean over frames, then clips; bytes are whole files. Equal bytes: the
difference of the two curves of mean PSNR over the logarithm of mean bytes, averaged over the range that they share
(BD-PSNR, pchip)."""

QUALITIES = (20, 35, 50, 65, 80)
FRAMES = 48
WANTED_SECONDS, WANTED_DB = 900.0, 1.0
START, TRAINED = "KLT start", "trained"


@dataclass(frozen=True)
class Job:
    path: Path
    bundles: dict[str, Path]


def main(
    data: Annotated[Path, typer.Option("--data", envvar="VTC_DATA", help="Folder of training clips.", exists=True)],
    count: Annotated[int, typer.Option("--clips", min=2)] = 20,
    others: Annotated[int, typer.Option("--others", min=0)] = 8,
    minutes: Annotated[float, typer.Option("--minutes", help="Of training, as given to the command.")] = 10.0,
    init: Annotated[str, typer.Option("--init", help="Start from this bundle instead of the KLT.")] = "",
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    work: Annotated[Path | None, typer.Option("--work", help="Keep the run here.")] = None,
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    from vtc.bench.processes import vtc

    report = Report("newcomer_training", f"From {count} clips to a bundle", PROTOCOL)
    chosen = clips(data, count + others)
    apart = {chosen[(2 * i + 1) * len(chosen) // (2 * others)] for i in range(others)}
    with scratch() as temporary:
        folder = work or Path(temporary)
        mine = folder / "clips"
        mine.mkdir(parents=True)
        for number, path in enumerate(path for path in chosen if path not in apart):
            (mine / f"{number:02}{path.suffix}").symlink_to(path.resolve())
        run = folder / "run"
        words = ["train", "onedva", "--data", mine, "--size", "tiny", "--minutes", minutes, "--out", run, "--threads", threads]
        ran = vtc(*words, *(["--init", init] if init else []), "--json")
        bundles = {START: folder / "weights" / "start.safetensors", TRAINED: folder / "weights" / "trained.safetensors"}
        untrained("onedva", folder / "linear" if init else run, mine, bundles[START])
        Path(ran.values["bundle"]).rename(bundles[TRAINED])
        held = [mine / name for name in held_out(run)]
        found = parallel(measure, [Job(path, bundles) for path in [*held, *sorted(apart)]], workers)
        report.rows = [row for rows in found for row in rows]
    curves = {name: curve(report.rows, name) for name in bundles}
    gain = bd_psnr(curves[START], curves[TRAINED])
    bpp, decibels = curves[TRAINED][QUALITIES.index(50)]
    rates, before = zip(*curves[START])
    change = decibels - np.interp(np.log(bpp), np.log(rates), before)
    count_clips = len({row["clip"] for row in report.rows})
    lines = [
        [name, str(quality), f"{rate:.4f}", f"{db:.2f}"]
        for name, points in curves.items()
        for quality, (rate, db) in zip(QUALITIES, points)
    ]
    report.table(["bundle", "quality", "bpp", "PSNR"], lines, f"Mean over {count_clips} clips, {len(held)} of them held out by the run")
    report.text(f"{ran.values['steps']} steps; {ran.cpu:.0f} s of processor time; held-out PSNR in the run: {ran.values['psnr']:.2f} dB")
    report.rows.append({"command": ran.values, "wall": ran.wall, "cpu": ran.cpu, "bd_psnr": gain})
    report.claim(
        f"a bundle within {WANTED_SECONDS / 60:.0f} minutes of {threads} cores", f"{ran.wall / 60:.1f} minutes", ran.wall <= WANTED_SECONDS
    )
    told = f"{gain:+.2f} dB; {change:+.2f} dB at quality 50"
    report.claim(f"better than the KLT start by {WANTED_DB:g} dB at equal bytes", told, gain >= WANTED_DB)
    report.write(out)


def held_out(run: Path) -> list[str]:
    """The clips that a run was judged on."""
    names: list[str] = json.loads((run / "data.json").read_text())["held"]
    return names


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one clip, one for each bundle and quality; none for a clip that is too short."""
    import vtc

    rows = []
    with scratch() as folder:
        source = Path(folder, "source.mp4")
        pictures = square(job.path, source, FRAMES)
        if pictures is None:
            return []
        os.environ["VTC_WEIGHTS"] = str(job.bundles[START].parent)  # where opening a file looks for its bundle
        for name, bundle in job.bundles.items():
            tokens = 0 if name == START else None
            for quality in QUALITIES:
                coded = Path(folder, "clip.vtc")
                result = vtc.encode(source, coded, model=str(bundle), quality=quality, tokens=tokens, threads=1, overwrite=True)
                with vtc.open(coded, threads=1) as video:
                    frames, clip = psnr(pictures, video.frames)
                bpp = 8 * result.bytes / (pictures.size // 3)
                rows.append({
                    "clip": label(job.path.resolve()), "bundle": name, "quality": quality, "bytes": result.bytes, "bpp": bpp,
                    "psnr": frames, "psnr_clip": clip,
                })  # fmt: skip
    return rows


def curve(rows: list[dict[str, Any]], bundle: str) -> list[tuple[float, float]]:
    """Mean rate and PSNR of a bundle, a point for each quality."""
    points = []
    for quality in QUALITIES:
        chosen = [row for row in rows if (row["bundle"], row["quality"]) == (bundle, quality)]
        points.append((mean(row["bpp"] for row in chosen), mean(row["psnr"] for row in chosen)))
    return points


def bd_psnr(anchor: list[tuple[float, float]], test: list[tuple[float, float]]) -> float:
    """Mean difference in dB at equal rates."""
    import bjontegaard

    (rates, decibels), (test_rates, test_decibels) = (zip(*sorted(points)) for points in (anchor, test))
    return float(
        bjontegaard.bd_psnr(
            rates, decibels, test_rates, test_decibels, method="pchip", require_matching_points=False, min_overlap=0
        )
    )


if __name__ == "__main__":
    typer.run(main)
