"""What SACP does to a training run of DeRA: the same run with and without it.

    python -m benchmarks.sacp --data TRAIN --work runs/sacp --steps 600
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Out, Report, clips, mean

WITH, WITHOUT = "dera", "dera-plain"
JUDGED = 6
PARTS = 4
"""The run's log is told in so many parts."""

PROTOCOL = """Both runs share videos (`--limit` of the folder, evenly chosen), the linear start, the seed, the order
of clips and the number of steps, and train by the recipe's schedule. Teachers are the weight-free stand-ins. In the
log, means over all steps of a part of the run: `conflict`, the share of steps in which the gradients of both
alignments oppose each other in the shared encoder, and their cosine, both measured before any projection. Judged by
the averaged weights on every sixth video, which is not trained on, first 16 frames, middle 128×128: the mean cosine
of each stream with its stand-in, and PSNR (dB, of each clip's mean squared error, then averaged) of the linear
painting and after the decoder."""


def main(
    data: Annotated[Path, typer.Option("--data", envvar="VTC_DATA", help="Folder of training clips.", exists=True)],
    work: Annotated[Path, typer.Option("--work", help="Folder of the runs.")],
    steps: Annotated[int, typer.Option("--steps", min=8, help="Of each run.")] = 600,
    size: Annotated[str, typer.Option("--size", help="Of the recipe.")] = "tiny",
    limit: Annotated[int, typer.Option("--limit", help="At most so many videos; 0: all.")] = 96,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    out: Out = RESULTS,
) -> None:
    report = Report("sacp", f"DeRA with and without SACP, {steps} steps", PROTOCOL)
    folder = work / "clips"
    for number, path in enumerate(clips(data, limit)):
        link = folder / path.parent.name / f"{number:04}{path.suffix}"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(path.resolve())
    report.rows = [run(name, folder, work, steps, size, threads, seed) for name in (WITH, WITHOUT)]
    rows = {row["recipe"]: row for row in report.rows}
    judged = ("align_appearance", "align_motion", "psnr_base", "psnr")
    lines = [
        [name, f"{row['conflict']:.1%}", f"{row['gradient_cosine']:+.4f}", *(f"{row[key]:.3f}" for key in judged)]
        for name, row in rows.items()
    ]
    header = ["recipe", "conflict rate", "cosine of gradients", "appearance cosine", "motion cosine", "PSNR, linear", "PSNR"]
    report.table(header, lines, f"After {steps} steps, on clips that were not trained on")
    for key, title in (("conflict", "Conflict rate"), ("gradient_cosine", "Cosine of gradients")):
        cells = [[name, *(f"{part[key]:.3f}" for part in row["parts"])] for name, row in rows.items()]
        report.table(["recipe", *(f"part {i + 1}" for i in range(PARTS))], cells, f"{title} through the run")
    for key, what in (("align_appearance", "appearance cosine"), ("align_motion", "motion cosine"), ("psnr", "PSNR in dB")):
        with_, without = rows[WITH][key], rows[WITHOUT][key]
        report.claim(f"{what} with SACP and without", f"{with_:.3f} and {without:.3f}, {with_ - without:+.3f}", None)
    report.write(out)


def run(name: str, folder: Path, work: Path, steps: int, size: str, threads: int, seed: int) -> dict[str, Any]:
    """Train one recipe from the start that both share; what its log and the held-out clips say."""
    import shutil

    import torch

    from vtc.training.batches import Batches
    from vtc.training.cache import build_cache
    from vtc.training.data import index_folders
    from vtc.training.log import read_log
    from vtc.training.loop import Options
    from vtc.training.loop import run as train_loop
    from vtc.training.objectives import create
    from vtc.training.recipe import find_recipe
    from vtc.training.watch import Rhythm

    torch.set_num_threads(threads)
    recipe, index, place = find_recipe(name, size), index_folders([folder]), work / f"{name}-{size}-{steps}-{seed}"
    start = work / f"start-{size}" / "start.safetensors"
    if not start.exists():
        create(recipe, index, start.parent, None)  # fitted once for both
    if place.exists():
        raise typer.BadParameter(f"{place} holds a run already", param_hint="--work")
    place.mkdir(parents=True)
    shutil.copyfile(start, place / start.name)
    torch.manual_seed(seed)  # the heads to the teachers begin alike
    objective, model = create(recipe, index, place, None)
    cache = build_cache(index, recipe, work / "cache", objective.prepare, objective.prepare_key, workers=1)
    every = sorted((*cache.train, *cache.held), key=lambda entry: entry.name)
    held = tuple(every[::JUDGED])
    cache = replace(cache, train=tuple(entry for entry in every if entry not in held), held=held)
    rhythm = Rhythm(evaluate_minutes=1e9, log_every=max(1, steps // 100))
    options = Options(steps=steps, device="cpu", threads=threads, seed=seed, rhythm=rhythm)
    outcome = train_loop(recipe, objective, model, cache, place, options)
    with torch.no_grad():
        figures = objective.evaluate(outcome.model, Batches(cache, recipe).held_out(len(held)))
    lines = [line for line in read_log(place / "log.jsonl") if "conflict" in line]
    quarters = [lines[i * len(lines) // PARTS : (i + 1) * len(lines) // PARTS] for i in range(PARTS)]
    told = {key: mean(line[key] for line in lines) for key in ("conflict", "gradient_cosine")}
    parts = [{key: mean(line[key] for line in part) for key in told} for part in quarters]
    return {"recipe": name, "size": size, "steps": steps, "videos": len(cache.train), "held": len(held), **told, **figures, "parts": parts}


if __name__ == "__main__":
    typer.run(main)
