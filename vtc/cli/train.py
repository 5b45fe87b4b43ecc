"""`vtc train`: from folders of videos to a bundle."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli import options
from vtc.cli.options import Debug, Device, Json, Quiet, Threads
from vtc.cli.output import Output, escape, stderr
from vtc.cli.train_entropy import train_entropy
from vtc.errors import UsageError
from vtc.training.report import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress

EXAMPLES = (
    "vtc train onedva --data clips/ --size tiny --minutes 15 --out runs/mine",
    "vtc train onedva --data clips/ --out runs/mine --resume",
    "vtc train entropy runs/mine/onedva-tiny.safetensors --data clips/ --minutes 10 --out runs/mine-context",
    "torchrun --nproc-per-node 8 --no-python vtc train onedva --data clips/ --size base --steps 100000",
)


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="What to train, such as onedva.")],
    data: Annotated[
        list[Path],
        typer.Option("--data", envvar="VTC_DATA", metavar="DIR", help="A folder of videos; may be repeated."),
    ],
    bundle: Annotated[
        str | None, typer.Argument(metavar="[BUNDLE]", help="Of RECIPE entropy: which bundle gets context tables.", show_default=False)
    ] = None,
    size: Annotated[
        str, typer.Option("--size", metavar="NAME", help="Size of the recipe: tiny, small, base.")
    ] = "tiny",
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, metavar="N", help="Length of the run in steps.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", metavar="M", help="Length of the run by the clock, once videos are cached."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.", show_default="runs/RECIPE-SIZE"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint in the folder of the run.")
    ] = False,
    init: Annotated[
        str | None, typer.Option("--init", metavar="BUNDLE", help="Start from the weights of a bundle.")
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            "--cache", metavar="DIR", help="Folder of the frame cache, for runs to share.", show_default="OUT/cache"
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", min=1, help="Processes that fill the cache.", show_default="cores"),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option("--eval", metavar="DIR", help="A folder of evaluation clips, which must not be trained on; may be repeated."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option("--batch", min=1, metavar="N", help="Clips of a batch: more for a GPU.", show_default="the recipe's")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes order, crops and noise.")] = 0,
    accumulate: Annotated[
        int, typer.Option("--accumulate", min=1, metavar="N", help="Batches that a process takes for a step.")
    ] = 1,
    compile: Annotated[bool, typer.Option("--compile", help="Compile the network's blocks; pays on long runs.")] = False,
    shard: Annotated[bool, typer.Option("--shard", help="Write checkpoints in files of at most 16 MiB.")] = False,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a recipe on folders of videos and write a bundle.

    The folder of the run gets a log (log.jsonl, curves.png), pictures of held-out clips, a checkpoint every few minutes
    and when interrupted, and at the end the bundle. Interrupted runs go on with --resume. Folders called eval are never
    read. Under torchrun (--no-python vtc train …) every step takes a batch for each process.

    RECIPE entropy gives a finished BUNDLE tables of the context profile, in ten minutes if not told otherwise.
    """
    if steps is not None and minutes is not None:
        raise UsageError("a run has a length either in steps or in minutes", "give one of --steps and --minutes")
    if bundle is not None and recipe != "entropy":
        raise UsageError(f"{bundle}: only RECIPE entropy takes a bundle there", "--init starts a run from a bundle")
    if steps is None and minutes is None and not resume and recipe != "entropy":
        raise UsageError("how long?", "give --minutes M or --steps N")
    from vtc.codec.weights import find
    from vtc.training.loop import Options
    from vtc.training.recipe import find_recipe
    from vtc.training.train import Folders
    from vtc.training.train import train as train_bundle

    voice = Output(as_json=json, quiet=quiet)
    if recipe == "entropy":
        with Display(voice) as display:
            folders = Folders(data, out or Path("runs/entropy"), None, evaluation or ())
            train_entropy(bundle, folders, steps, minutes, seed, threads, voice, display)
        return
    chosen = find_recipe(recipe, size)
    if batch is not None:
        chosen = replace(chosen, batch=batch)
    folders = Folders(data, out or Path("runs") / f"{recipe}-{size}", cache, evaluation or ())
    place = options.device(device)
    run = Options(steps, minutes, place, threads, seed, resume, accumulate, compile, shard)
    began = time.monotonic()
    with Display(voice) as display:
        trained = train_bundle(chosen, folders, run, find(init) if init else None, workers, display)
    outcome, frames = trained.outcome, trained.cache
    if not outcome.finished:
        raise typer.Exit(130)
    if not trained.first:
        return
    values: dict[str, Any] = {"bundle": trained.bundle, "steps": outcome.step, "seconds": time.monotonic() - began}
    values |= {"training_seconds": outcome.elapsed, "videos": len(frames.train), "skipped": len(frames.skipped)}
    voice.done({**values, "manifest": frames.manifest, **outcome.figures}, f"{trained.bundle}: {outcome.step} steps")


class Display(Reporter):
    """Progress bars on stderr, where it is a terminal, and remarks above them."""

    def __init__(self, voice: Output) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        console = stderr()
        columns = (BarColumn(20), TextColumn("{task.percentage:.1f} %"), TimeElapsedColumn())
        show = console.is_terminal and not voice.quiet
        self.voice = voice
        self.bar: Progress = Progress(*columns, TextColumn("{task.description}"), console=console, disable=not show)
        self.task = self.bar.add_task("")

    def __enter__(self) -> Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def caching(self, done: int, total: int) -> None:
        self.bar.update(self.task, completed=done, total=total, description=f"{done} of {total} videos cached")

    def progress(self, position: float, line: dict[str, Any]) -> None:
        self.bar.update(self.task, completed=position, total=1.0, description=escape(described(line)))

    def say(self, text: str) -> None:
        if not self.voice.quiet:
            self.bar.console.print(escape(text), highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        self.voice.warn(text)


def described(line: dict[str, Any]) -> str:
    """A line of the log for people: step and stage, losses, speed."""
    if "clips/s" not in line:  # of an evaluation
        return "  ".join([f"step {line['step']}", *(f"{k} {v:.4g}" for k, v in line.items() if k not in ("step", "elapsed"))])
    speed = {"step", "stage", "lr", "clips/s", "gflop/s", "peak", "wait", "elapsed"}
    losses = " ".join(f"{name} {value:.3g}" for name, value in line.items() if name not in speed)
    fast = f"{line['clips/s']:.3g} clips/s, {line['gflop/s']:.3g} GFLOP/s ({line['peak']:.0%} of peak)"
    return f"step {line['step']} {line['stage']}  {losses}  {fast}, wait {line['wait']:.1%}"
