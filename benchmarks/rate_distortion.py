"""Rate and distortion of bundles and of the classical codecs: the `vtc bench` commands of the published results.

    VTC_METRIC_WEIGHTS=models python -m benchmarks.rate_distortion --data eval --limit 9
    VTC_METRIC_WEIGHTS=models python -m benchmarks.rate_distortion --data eval --limit 9 --models vtok-tiny,coordtok-tiny,dera-tiny

All of them write into one folder and go on where they were stopped: the second line adds bundles to what the first one found. No pictures
are kept: the clips are not ours to show.
"""

import csv
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import RESULTS, Data, Workers
from vtc.bench.processes import VTC
from vtc.bench.report.findings import percent
from vtc.codec.weights import find

ANCHORS = "x264,x265,svtav1"

RUNS = {
    # The protocol of tokenizer papers: 16 frames, one segment, one key frame.
    "16 frames": (
        *("--size", "128", "--frames", "16", "--limit", "18", "--codecs", f"MODELS,{ANCHORS},vp9,x265-half", "--points", "5"),
        *("--metrics", "psnr,psnr-yuv,ssim,ms-ssim,xpsnr,feature"),
    ),
    # Whole clips, which reward prediction over seconds: by each codec's own rule for key frames, and one every 16 frames.
    "whole clips": (
        *("--size", "128", "--frames", "all", "--crop", "top-left", "--limit", "18", "--codecs", f"MODELS,{ANCHORS}", "--points", "4"),
        *("--metrics", "psnr,psnr-yuv,xpsnr"),
    ),
    "whole clips, more anchors": (
        *("--size", "128", "--frames", "all", "--crop", "top-left", "--limit", "18", "--codecs", "vp9,x265-half,x265-psnr"),
        *("--points", "4", "--keyframes", "default", "--metrics", "psnr,psnr-yuv,xpsnr"),
    ),
    "256 pixels": (
        *("--size", "256", "--frames", "16", "--limit", "9", "--codecs", f"MODELS,{ANCHORS}", "--points", "4"),
        *("--metrics", "psnr,psnr-yuv,ssim,ms-ssim,xpsnr"),
    ),
}

TITLES = {
    ("128, all frames, top-left", "default"): "whole clips, 128×128",
    ("128, all frames, top-left", "16"): "whole clips, a key frame every 16 frames",
    ("128, 16 frames", "default"): "16 frames, 128×128",
    ("256, 16 frames", "default"): "16 frames, 256×256",
}
AGAINST = {"x264 medium": "x264 medium", "x265 medium": "x265 medium", "svtav1 6": "SVT-AV1 preset 6"}


def main(
    data: Data,
    models: Annotated[str, typer.Option("--models", help="Bundles, by name or path, separated by commas.")] = "onedva",
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
    for name in chosen:
        words = [word.replace("MODELS", models) for word in RUNS[name]]
        if limit:
            words += ["--limit", str(limit)]
        common = ["bench", "--dataset", "folder", "--data-root", str(data), "--out", str(out), "--pictures", "0"]
        began = time.monotonic()
        done = subprocess.run([*VTC, *common, *words, "--workers", str(workers)])
        print(f"{name}: {'failed' if done.returncode else 'done'} in {time.monotonic() - began:.0f} s", file=sys.stderr)
        failed += [name] if done.returncode else []
    for name in models.split(","):
        print(table(out, find(name).stem), end="\n\n")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def table(folder: Path, codec: str) -> str:
    """BD-rates by PSNR of the bundle `codec` as the README shows them; of several of that name, the one measured last."""
    rows = map(json.loads, reversed((folder / "results.jsonl").read_text(encoding="utf-8").splitlines()))
    bundle = next((row["bundle"] for row in rows if row["codec"] == codec), "none")
    with (folder / "bd_rate.csv").open(encoding="utf-8", newline="") as file:
        found = {
            (line["protocol"], line["keyframes"], line["anchor"]): float(line["percent"]) if line["percent"] else None
            for line in csv.DictReader(file)
            if line["bundle"] == bundle and line["metric"] == "psnr"
        }
    lines = [
        f"| bytes of {codec} at equal PSNR (BD-rate) against | {' | '.join(AGAINST.values())} |",
        "|" + "---|" * (1 + len(AGAINST)),
        *(f"| {title} | {' | '.join(percent(found.get((*group, anchor))) for anchor in AGAINST)} |" for group, title in TITLES.items()),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
