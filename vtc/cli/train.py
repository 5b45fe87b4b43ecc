"""`vtc train`: from folders of videos to a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli import options
from vtc.cli.options import Debug, Device, Json, Quiet, Threads
from vtc.cli.output import Output, escape, stderr
from vtc.errors import UsageError
from vtc.training.report import Reporter

if TYPE_CHECKING:
    from rich.progress import Progress

EXAMPLES = (
    "vtc train onedva --data clips/ --size tiny --minutes 15 --out runs/mine",
    "vtc train onedva --data clips/ --out runs/mine --resume",
)


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="What to train, such as onedva.")],
    data: Annotated[
        list[Path],
        typer.Option("--data", envvar="VTC_DATA", metavar="DIR", help="A folder of videos; may be repeated."),
    ],
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
    seed: Annotated[int, typer.Option("--seed", min=0, help="Fixes order, crops and noise.")] = 0,
    device: Device = "auto",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a recipe on folders of videos and write a bundle.

    The folder of the run gets a log (log.jsonl, curves.png), a checkpoint every few minutes and when interrupted, and at
    the end the bundle. Interrupted runs go on with --resume. Folders called eval are never read.
    """
    if steps is not None and minutes is not None:
        raise UsageError("a run has a length either in steps or in minutes", "give one of --steps and --minutes")
    if steps is None and minutes is None and not resume:
        raise UsageError("how long?", "give --minutes M or --steps N")
    from vtc.codec.weights import find
    from vtc.training.cache import build_cache
    from vtc.training.data import index_folders
    from vtc.training.loop import Options, run
    from vtc.training.objectives import create
    from vtc.training.recipe import find_recipe

    chosen = find_recipe(recipe, size)
    folder = out or Path("runs") / f"{recipe}-{size}"
    voice = Output(as_json=json, quiet=quiet)
    length = Options(steps, minutes, options.device(device), threads, seed, resume)
    began = time.monotonic()
    with Display(voice) as display:
        index = index_folders(data, seed)
        display.say(f"{len(index.clips)} videos: " + ", ".join(f"{n} of {s}" for s, n in sorted(index.sources.items())))
        objective, model = create(chosen, index, folder, find(init) if init else None)
        frames = build_cache(
            index,
            chosen,
            cache or folder / "cache",
            objective.prepare,
            objective.prepare_key,
            seed=seed,
            workers=workers,
            reporter=display,
        )
        for name, reason in frames.skipped.items():
            voice.warn(f"{name} is left out: {reason}")
        display.say(f"{len(frames.train)} videos to train on, {len(frames.held)} held out")
        outcome = run(chosen, objective, model, frames, folder, length, display)
        if not outcome.finished:
            display.say(f"stopped at step {outcome.step}; the checkpoint is written, go on with --resume")
            raise typer.Exit(130)
        bundle = folder / f"{recipe}-{size}.safetensors"
        objective.export(outcome.model, bundle, display.say)
    values: dict[str, Any] = {"bundle": bundle, "steps": outcome.step, "seconds": time.monotonic() - began}
    values |= {"training_seconds": outcome.elapsed, "videos": len(frames.train), "skipped": len(frames.skipped)}
    voice.done({**values, "manifest": frames.manifest, **outcome.figures}, f"{bundle}: {outcome.step} steps")


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
        text = " ".join(
            f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in line.items()
        )
        self.bar.update(self.task, completed=position, total=1.0, description=escape(text))

    def say(self, text: str) -> None:
        if not self.voice.quiet:
            self.bar.console.print(escape(text), highlight=False, soft_wrap=True)
