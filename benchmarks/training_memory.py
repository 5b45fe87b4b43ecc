"""Peak memory of training CoordTok on clips of 32 and of 128 frames, at equal numbers of coordinates, tubelets and plane cells.

    python -m benchmarks.training_memory

Each length is trained in a process of its own. `paper`: the published form (no linear paths, patches of one frame, which is a coordinate);
`tiny`: ours, whose patches are as long as a slot of the planes: as many pixels as `paper` has. `patches`: `tiny` with as many patches.
"""

import json
import resource
import subprocess
import sys
from dataclasses import replace
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Out, Report

FRAMES = (32, 128)
STEPS = 3


def measured(form: str, frames: int, batch: int) -> dict[str, Any]:
    """Peak of the resident memory of this process, in MB, before and after a few training steps."""
    import torch

    from vtc.codec.memory import reuse_memory
    from vtc.tokenizers.coordtok import PRESETS, CoordTok
    from vtc.training.data import Index
    from vtc.training.objectives.coordtok import CoordTokObjective, CoordTokTraining
    from vtc.training.recipe import find_recipe

    torch.set_num_threads(1)
    reuse_memory()
    config = PRESETS["tiny"]
    slot = frames // config.plane_time
    decoder = replace(config.decoder, patch_time=slot, points=1024 if form != "tiny" else 1024 // slot)
    config = replace(config, clip_frames=frames, tubelet_time=frames // 16, decoder=decoder)
    if form == "paper":
        config = replace(config, linear=False, features=(8, 8), decoder=replace(decoder, patch_time=1))
    torch.manual_seed(0)
    recipe = find_recipe("coordtok", "tiny")
    model = CoordTokTraining(CoordTok(config))
    objective = CoordTokObjective(Index((), ""), recipe, RESULTS, None)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    generator = torch.Generator().manual_seed(0)
    clip = torch.empty(0)
    for step in range(STEPS):
        del clip
        clip = torch.randint(0, 256, (batch, 3, frames, config.side, config.side), dtype=torch.uint8, generator=generator)
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = objective.loss(model, {"clip": clip}, recipe.stages[0], generator, step)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"form": form, "frames": frames, "batch": batch, "patches": config.decoder.points, "start": start, "peak": peak}


def main(
    batch: Annotated[int, typer.Option("--batch", help="Clips a step.")] = 4,
    out: Out = RESULTS,
    only: Annotated[str, typer.Option("--only", hidden=True)] = "",
) -> None:
    """Measure both forms at both lengths."""
    if only:
        form, length = only.split(",")
        print(json.dumps(measured(form, int(length), batch)))
        return
    protocol = f"""{STEPS} steps of {batch} clips of random 128x128 pixels, 1024 coordinates (8x8 pixels of a frame) a clip, one thread,
    bfloat16 autocast, AdamW;
    resident memory of the process at its peak, the program itself (about half of it) counted in, clips that a loader holds ready not.
    Tubelets are a sixteenth and slots of planes a thirty-second of the clip, so that tokens and cells are equally many.
    Patches of `tiny` are as long as those slots: at 128 frames one holds four coordinates, so that a quarter as many are painted.
    `patches`: tiny with 1024 patches at both lengths, four times the pixels at 128 frames."""
    report = Report("training_memory", "Training memory of CoordTok against the length of clips", protocol)
    for form in ("paper", "tiny", "patches"):
        for frames in FRAMES:
            words = [sys.executable, "-m", "benchmarks.training_memory", "--only", f"{form},{frames}", "--batch", str(batch)]
            report.rows.append(json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1]))
        short, long = (row["peak"] for row in report.rows[-2:])
        found = f"{short:.0f} MB and {long:.0f} MB, {100 * (long / short - 1):+.1f} %"
        met = None if form == "tiny" else long <= 1.1 * short  # as many pixels, but at fewer coordinates of the decoder
        report.claim(f"memory within 10 % for clips of 32 and 128 frames ({form})", found, met)
    header = ("form", "frames", "patches", "before the first step, MB", "peak, MB")
    cells = [(r["form"], r["frames"], r["patches"], f"{r['start']:.0f}", f"{r['peak']:.0f}") for r in report.rows]
    report.table(header, cells)
    report.write(out)


if __name__ == "__main__":
    typer.run(main)
