"""Rate and distortion of bundles and of the classical codecs: the `vtc bench` commands of the published results.

    VTC_METRIC_WEIGHTS=models python -m benchmarks.rate_distortion --data eval --workers 2

All of them write into one folder and go on where they were stopped. VVenC and VMAF are measured where their programs are on PATH. No
pictures of the clips are kept, which are not ours to show: those of the report are of a rendered scene.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.common import RESULTS, Data, Workers
from vtc.bench.bd import rate_change
from vtc.bench.processes import VTC
from vtc.bench.report.findings import percent
from vtc.bench.scenes import render
from vtc.codec.weights import find

MODELS = "onedva,vtok-tiny,coordtok-tiny,dera-tiny"
ANCHORS = "x264,x265,svtav1"
MORE = "vp9,x265-half,vvenc"
SMALL, WHOLE, LARGE = (
    ("--size", "128", "--frames", "16"),
    ("--size", "128", "--frames", "all", "--crop", "top-left"),
    ("--size", "256", "--frames", "16"),
)
SEEN = "psnr,psnr-yuv,ssim,ms-ssim,xpsnr"

RUNS = {
    # The protocol of tokenizer papers: 16 frames, one segment, one key frame.
    "16 frames": (*SMALL, "--codecs", f"MODELS,{ANCHORS},{MORE}", "--points", "5", "--metrics", f"{SEEN},feature"),
    # Whole clips, which reward prediction over seconds: by each codec's own rule for key frames, and one every 16 frames.
    "whole clips": (*WHOLE, "--codecs", f"MODELS,{ANCHORS}", "--points", "4", "--metrics", SEEN),
    "whole clips, more anchors": (
        *WHOLE, "--codecs", f"{MORE},x265-psnr", "--points", "4", "--keyframes", "default", "--metrics", SEEN,
    ),
    "256 pixels": (*LARGE, "--limit", "18", "--codecs", f"MODELS,{ANCHORS},vvenc", "--points", "4", "--metrics", f"{SEEN},vmaf"),
    "rendered scene": (
        "--size", "240", "--frames", "32", "--codecs", f"MODELS,{ANCHORS},{MORE}", "--points", "5", "--keyframes", "default",
        "--metrics", f"{SEEN},feature,vmaf", "--pictures", "1",
    ),
    "16 frames, presets": (*SMALL, "--codecs", ANCHORS, "--presets", "fast,slow", "--points", "5", "--metrics", f"{SEEN},feature"),
}
SCENE = "rendered scene"

TITLES = {
    ("128, all frames, top-left", "default"): "whole clips, 128×128",
    ("128, all frames, top-left", "16"): "whole clips, a key frame every 16 frames",
    ("128, 16 frames", "default"): "16 frames, 128×128",
    ("256, 16 frames", "default"): "16 frames, 256×256",
}
RANGE = (25.0, 30.0)
"""dB: where the targets are."""

AGAINST = {"x264 medium": "x264 medium", "x265 medium": "x265 medium", "svtav1 6": "SVT-AV1 preset 6"}


def main(
    data: Data,
    models: Annotated[str, typer.Option("--models", help="Bundles, by name or path; the first one has the targets.")] = MODELS,
    workers: Workers = 1,
    only: Annotated[str, typer.Option("--only", help=f"Some of: {'; '.join(RUNS)}. Separated by semicolons.")] = "; ".join(RUNS),
    limit: Annotated[int, typer.Option("--limit", help="At most so many clips, to try it out.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Folder of the results.")] = RESULTS / "rate_distortion",
) -> None:
    """Run the commands one after the other; one that fails does not stop the others."""
    chosen = [name.strip() for name in only.split(";")]
    if unknown := [name for name in chosen if name not in RUNS]:
        raise typer.BadParameter(f"no run is called {unknown[0]!r}", param_hint="--only")
    failed = []
    with tempfile.TemporaryDirectory() as scratch:
        scene = Path(scratch, "scene")
        scene.mkdir()
        render(scene / "scene.mp4", 320, 240, 32)
        for name in chosen:
            words = [word.replace("MODELS", models) for word in RUNS[name]]
            words += ["--limit", str(limit)] if limit else []
            root = scene if name == SCENE else data
            common = ["bench", "--dataset", "folder", "--data-root", str(root), "--out", str(out), "--pictures", "0"]
            began = time.monotonic()
            done = subprocess.run([*VTC, *common, *words, "--workers", str(workers)])
            print(f"{name}: {'failed' if done.returncode else 'done'} in {time.monotonic() - began:.0f} s", file=sys.stderr)
            failed += [name] if done.returncode else []
    if len(failed) == len(chosen):
        raise SystemExit("all of them failed")
    first, *others = (find(name).stem for name in models.split(","))
    within = middle(out, first)
    (out / f"{first}-25-30-dB.md").write_text(within + "\n", encoding="utf-8")
    print(table(out, first), within, *(table(out, codec) for codec in others), sep="\n\n")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def table(folder: Path, codec: str) -> str:
    """BD-rates by PSNR of the bundle `codec` as the README shows them; of several of that name, the one measured last."""
    bundle = latest(folder, codec)
    with (folder / "bd_rate.csv").open(encoding="utf-8", newline="") as file:
        found = {
            (line["protocol"], line["keyframes"], line["anchor"]): float(line["percent"]) if line["percent"] else None
            for line in csv.DictReader(file)
            if line["bundle"] == bundle and line["metric"] == "psnr"
        }
    return _table(f"bytes of {codec} at equal PSNR (BD-rate) against", found)


def middle(folder: Path, codec: str) -> str:
    """The same between 25 and 30 dB alone, as far as both curves reach: of curves of mean PSNR over mean bits a pixel."""
    bundle, curves = latest(folder, codec), dict[tuple[str, str, str], list[tuple[float, float]]]()
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if line["bundle"] in ("", bundle):
                name = codec if line["bundle"] else f"{line['codec']} {line['preset']}"
                curves.setdefault((line["protocol"], line["keyframes"], name), []).append((float(line["psnr"]), float(line["bpp"])))
    found = {
        (*group, anchor): rate_change(*cut(curves[*group, anchor], curves[*group, codec])).percent
        for group in TITLES
        for anchor in AGAINST
        if {(*group, anchor), (*group, codec)} <= curves.keys()
    }
    low, high = RANGE
    return _table(f"bytes of {codec} at equal PSNR between {low:g} and {high:g} dB against", found)


def cut(*curves: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Curves of (PSNR, rate) within RANGE and what all of them reach, as (rate, PSNR): nine points of the pchip through log rate that the
    BD-rate is taken of."""
    from scipy.interpolate import PchipInterpolator

    low, high = max(RANGE[0], *(min(curve)[0] for curve in curves)), min(RANGE[1], *(max(curve)[0] for curve in curves))
    shown = np.linspace(low, high, 9)
    lines = [PchipInterpolator(*zip(*((psnr, np.log(rate)) for psnr, rate in sorted(curve)))) for curve in curves]
    return [list(zip(np.exp(line(shown)).tolist(), shown.tolist())) for line in lines]


def latest(folder: Path, codec: str) -> str:
    """The bundle of that name that was measured last."""
    rows = map(json.loads, reversed((folder / "results.jsonl").read_text(encoding="utf-8").splitlines()))
    return next((row["bundle"] for row in rows if row["codec"] == codec), "none")


def _table(head: str, found: dict[tuple[str, str, str], float | None]) -> str:
    return "\n".join([
        f"| {head} | {' | '.join(AGAINST.values())} |",
        "|" + "---|" * (1 + len(AGAINST)),
        *(f"| {title} | {' | '.join(percent(found.get((*group, anchor))) for anchor in AGAINST)} |" for group, title in TITLES.items()),
    ])  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
