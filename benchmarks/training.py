"""Speed of training: clips a second, FLOP/s and their share of the device's peak, the wait for the loader, and what the time goes into.

    python -m benchmarks.training --data train
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Limit, Out, Report, clips, scratch

PROTOCOL = """The frame cache holds `--limit` clips of the folder, evenly chosen. A model at the start of its recipe takes 3 steps
that do not count, then `--steps` steps of the longest stage, with batches from the loader as in a run. FLOP: matrix products,
convolutions and attention of the loss and its gradients, two a multiply-add, counted once. Peak: the product of two bfloat16
matrices, the better of a measurement before and one after. Wait: time in which the next batch was not there yet. What the time
goes into is torch's profile of two more steps, each operator without those that it calls."""

WARM_UP, PROFILED, SHOWN = 3, 2, 6
WAIT_WANTED = 0.05


def main(
    data: Annotated[Path, typer.Option("--data", envvar="VTC_DATA", help="Folder of training clips.", exists=True)],
    size: Annotated[str, typer.Option("--size", help="Of the recipes: tiny, small, base.")] = "tiny",
    only: Annotated[str, typer.Option("--only", help="Some recipes, separated by commas.")] = "",
    steps: Annotated[int, typer.Option("--steps", min=1)] = 20,
    device: Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int, typer.Option("--threads", min=0, help="0: all.")] = 0,
    compiled: Annotated[bool, typer.Option("--compile", help="Compile the network's blocks.")] = False,
    limit: Limit = 12,
    out: Out = RESULTS,
) -> None:
    import torch

    from vtc.training.loop import pick_device
    from vtc.training.recipe import recipes

    torch.set_num_threads(threads or torch.get_num_threads())
    place = pick_device(device)
    name = torch.cuda.get_device_name(place) if place.type == "cuda" else f"{torch.get_num_threads()} threads"
    report = Report("training", f"Speed of training, {size}, {name}{', compiled' if compiled else ''}", PROTOCOL)
    chosen = [recipe for recipe in recipes.values() if recipe.size == size and (not only or recipe.name in only.split(","))]
    with scratch() as folder:
        root = Path(folder, "clips")
        root.mkdir()
        for number, path in enumerate(clips(data, limit)):
            (root / f"{number:04}{path.suffix}").symlink_to(path.resolve())
        for recipe in chosen:
            report.rows.append(measure(recipe, root, Path(folder, recipe.name), place, steps, compiled))
    header = ["recipe", "parameters", "clips/s", "frames/s", "GFLOP a clip", "GFLOP/s", "share of peak", "wait", "most time in"]
    lines = [
        [
            row["recipe"], f"{row['parameters'] / 1e6:.1f} M", f"{row['clips/s']:.2f}", f"{row['frames/s']:.0f}",
            f"{row['gflop_clip']:.0f}", f"{row['gflop/s']:.0f}", f"{row['peak_share']:.0%}", f"{row['wait']:.1%}",
            ", ".join(f"{name} {share:.0%}" for name, share in row["profile"].items()),
        ]
        for row in report.rows
    ]  # fmt: skip
    report.table(header, lines)
    for row in report.rows:
        report.claim(f"{row['recipe']}: wait for the loader under {WAIT_WANTED:.0%}", f"{row['wait']:.2%}", row["wait"] < WAIT_WANTED)
    report.write(out)


def measure(recipe: Any, data: Path, folder: Path, device: Any, steps: int, compiled: bool = False) -> dict[str, Any]:
    """The row of a recipe."""
    from torch.profiler import profile

    from vtc.codec.memory import reuse_memory
    from vtc.codec.weights import find
    from vtc.training.batches import Batches, Loader
    from vtc.training.cache import build_cache
    from vtc.training.compute import compile_blocks, measure_peak
    from vtc.training.data import index_folders
    from vtc.training.frames import DeviceFrames, DiskFrames, fits
    from vtc.training.objectives import create
    from vtc.training.objectives.start import SECOND
    from vtc.training.trainer import Trainer

    reuse_memory()
    index = index_folders([data])
    init = find(recipe.tokenizer) if recipe.name == SECOND else None
    objective, model = create(recipe, index, folder, init)
    cache = build_cache(index, recipe, folder / "cache", objective.prepare, objective.prepare_key)
    frames = DeviceFrames(cache.train, device) if fits(cache.train, device) else DiskFrames()
    trainer = Trainer(recipe, objective, model, device, seed=0)
    stage = max(recipe.stages, key=lambda stage: stage.share)
    peak = measure_peak(device)
    with Loader(Batches(cache, recipe, 0, frames), 0, device) as loader:
        flop = trainer.flops(next(loader), stage)
        if compiled:
            compile_blocks(trainer.model)

        def advance() -> None:
            trainer.advance(next(loader), stage, 1.0)

        timed(device, advance, WARM_UP)
        waited = loader.waited
        seconds = timed(device, advance, steps)
        waited = loader.waited - waited
        with profile() as trace:
            timed(device, advance, PROFILED)
    peak = max(peak, measure_peak(device))
    rate = steps / seconds
    return {
        "recipe": recipe.name, "size": recipe.size, "device": str(device), "batch": recipe.batch, "frames": recipe.frames,
        "crop": recipe.crop, "parameters": sum(p.numel() for p in model.parameters()), "steps": steps, "seconds": seconds,
        "clips/s": rate * recipe.batch, "frames/s": rate * recipe.batch * recipe.frames, "gflop_clip": flop / recipe.batch / 1e9,
        "gflop/s": rate * flop / 1e9, "peak_gflop/s": peak / 1e9, "peak_share": rate * flop / peak, "wait": waited / seconds,
        "compiled": compiled,
        "profile": shares(trace, device),
    }  # fmt: skip


def timed(device: Any, advance: Callable[[], None], steps: int) -> float:
    """Seconds of some steps, until the device has done them."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    began = time.perf_counter()
    for _ in range(steps):
        advance()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began


def shares(trace: Any, device: Any) -> dict[str, float]:
    """The operators that take most of the device's time, and their shares of it."""
    own = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {event.key.removeprefix("aten::"): getattr(event, own) for event in trace.key_averages()}
    whole = sum(times.values()) or 1.0
    most = sorted(times, key=lambda name: -times[name])[:SHOWN]
    return {name: times[name] / whole for name in most}


if __name__ == "__main__":
    typer.run(main)
