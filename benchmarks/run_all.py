"""Runs every benchmark, one after the other, and puts what was asked for and what was found on one page, results/README.md.

    VTC_METRIC_WEIGHTS=models python -m benchmarks.run_all --data eval
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Data, Model, Out, bundle

ALL = {
    "quality": "every evaluation clip: whole, bytes, bpp, PSNR",
    "steps": "PSNR, MS-SSIM and feature distance against diffusion steps",
    "length": "1D latents by motion against a fixed length",
    "speed": "frames a second, start-up, seconds by part",
    "seams": "gradients across tile borders",
    "context": "bytes of the context profile against static",
    "context_speed": "time of the context profile against static",
    "determinism": "the same bytes, the same symbols",
    "memory": "peak memory: long against short, 1080p",
}
WITH_DATA = {"quality", "steps", "length", "speed", "seams", "context", "context_speed", "determinism"}


def main(
    data: Data,
    only: Annotated[str, typer.Option("--only", help="Some of them, separated by commas.")] = ",".join(ALL),
    skip: Annotated[str, typer.Option("--skip", help="Not these.")] = "",
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    """Run all benchmarks; one that fails does not stop the others."""
    chosen = [name for name in only.split(",") if name not in skip.split(",")]
    unknown = set(chosen) - set(ALL)
    if unknown:
        raise typer.BadParameter(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(ALL)}", param_hint="--only")
    failed = []
    for name in chosen:
        words = ["--model", model, "--out", str(out), *(["--data", str(data)] if name in WITH_DATA else [])]
        if name == "steps" and "VTC_METRIC_WEIGHTS" not in os.environ:
            words.append("--without-features")
        began = time.monotonic()
        done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *words], stdout=subprocess.DEVNULL)
        print(f"{name}: {'failed' if done.returncode else 'done'} in {time.monotonic() - began:.0f} s", file=sys.stderr)
        failed += [name] if done.returncode else []
    page = summary(out, bundle(model))
    (out / "README.md").write_text(page, encoding="utf-8")
    print(page)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def summary(out: Path, identity: str) -> str:
    """A page of all claims in a folder of results; says which results are of another bundle."""
    lines = ["# Results", "", f"Bundle: {identity}. Made by `python -m benchmarks.run_all`; protocols are in the pages linked.", "",
             "| benchmark | asked for | found | |", "| --- | --- | --- | --- |"]  # fmt: skip
    for name in ALL:
        path = out / f"{name}.jsonl"
        if not path.is_file():
            continue
        head: dict[str, Any] = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
        for claim in head["claims"]:
            verdict = {True: "met", False: "**not met**", None: "finding"}[claim["met"]]
            if head["bundle"] != identity:
                verdict += " (another bundle)"
            lines.append(f"| [{name}]({name}.md) | {claim['claim']} | {claim['found']} | {verdict} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
