"""The loop: from the first step, or the last checkpoint, to the end of the schedule or the first signal."""

import json
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import nn

from vtc.codec.memory import reuse_memory
from vtc.errors import TrainingError, UsageError
from vtc.training.batches import Batches, Loader
from vtc.training.cache import Cache
from vtc.training.checkpoint import has_tensors, write_tensors
from vtc.training.compute import compile_blocks
from vtc.training.frames import DeviceFrames, DiskFrames, Frames, fits
from vtc.training.objective import Objective
from vtc.training.parallel import ALONE, World
from vtc.training.recipe import Recipe
from vtc.training.report import Reporter
from vtc.training.schedule import Schedule, stage_at
from vtc.training.trainer import CHECKPOINT, Trainer
from vtc.training.watch import Rhythm, Watch

EMA = "ema"


@dataclass(frozen=True)
class Options:
    """How long, where and how watched. Exactly one of steps and minutes (on resuming, none: as before).

    accumulate: batches of the recipe that each process takes for a step; compile: compile the network's blocks; shard:
    write checkpoints in files of at most 16 MiB.
    """

    steps: int | None = None
    minutes: float | None = None
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    resume: bool = False
    accumulate: int = 1
    compile: bool = False
    shard: bool = False
    rhythm: Rhythm = field(default_factory=Rhythm)


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `finished` is False after a signal. `model` holds the averaged weights, `figures` the last
    evaluation.
    """

    finished: bool
    step: int
    elapsed: float
    figures: dict[str, float]
    model: nn.Module


def pick_device(name: str, world: World = ALONE) -> torch.device:
    """The device of `--device`: auto, cpu, cuda or cuda:N. Each of several processes has a GPU of its own."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"{name} is not at hand: torch finds no CUDA device", "leave --device out, or install torch with CUDA"
        )
    if name == "cuda" and world.size > 1:
        return torch.device("cuda", world.local)
    return torch.device(name)


class StopSignal:
    """Turns SIGTERM and the first SIGINT into `asked`. A second SIGINT interrupts at once, but for several processes,
    which are sent it twice: by the terminal and by torchrun.
    """

    def __init__(self, world: World = ALONE) -> None:
        self.asked, self._patient = False, world.size > 1
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignal":
        if threading.current_thread() is threading.main_thread():  # elsewhere Python does not allow handlers
            self._before = {number: signal.signal(number, self._ask) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and number == signal.SIGINT and not self._patient:
            raise KeyboardInterrupt
        self.asked = True


def run(
    recipe: Recipe,
    objective: Objective,
    model: nn.Module,
    cache: Cache,
    out: Path,
    options: Options,
    reporter: Reporter | None = None,
    world: World = ALONE,
) -> Outcome:
    """Train `model` and leave checkpoint, log, curves, pictures and, at the end, the averaged weights in the folder `out`.

    Every process of `world` calls this with the same arguments; only the first writes. On the CPU, a run that was
    stopped and resumed ends with the very weights of one that was not (given steps, not minutes, and the same number of
    threads), and so does one that two processes share. Raises `TrainingError` for a folder that holds another run and
    for losses that stop being numbers.
    """
    device = pick_device(options.device, world)
    reuse_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, objective, model, device, options.seed, world)
    state = _begin(trainer, cache, out, options)
    if options.compile:
        compile_blocks(trainer.model)
    schedule = Schedule(state["steps"], state["minutes"], recipe.warmup)
    frames: Frames = DeviceFrames((*cache.train, *cache.held), device) if fits((*cache.train, *cache.held), device) else DiskFrames()
    batches = Batches(cache, recipe, options.seed, frames)
    parts = state["batches"] // world.size
    with (
        StopSignal(world) as stop,
        Loader(batches, trainer.step, device, first=world.rank * parts, parts=parts) as loader,
    ):
        held, reporter = batches.held_out(), reporter or Reporter()
        watch = Watch(trainer, loader, schedule, held, out, state, options.rhythm, reporter, options.shard)
        while True:
            position, stopped = world.agree(watch.position, stop.asked)
            if stopped or position >= 1:
                break
            stage, lr_scale = stage_at(recipe.stages, position), schedule.lr_scale(position)
            taken = next(loader)
            watch.weigh(taken, stage)
            watch.meter.add(trainer.advance(taken, stage, lr_scale))
            watch.look(stage, lr_scale * recipe.lr)
        watch.save()
        finished = position >= 1
        if finished and world.first:
            watch.evaluate()
            write_tensors(out, EMA, trainer.average.model.state_dict(), sharded=options.shard)
    return Outcome(finished, trainer.step, watch.elapsed, watch.figures, trainer.average.model)


def _begin(trainer: Trainer, cache: Cache, out: Path, options: Options) -> dict[str, Any]:
    """The state of a new run, or of the one in `out` when resuming."""
    world = trainer.world
    fixed = {"recipe": json.loads(trainer.recipe.to_json()), "manifest": cache.manifest, "seed": options.seed}
    length = {"steps": options.steps, "minutes": options.minutes}
    if not options.resume:
        if has_tensors(out, CHECKPOINT):
            raise TrainingError(f"{out} holds a run already", "go on with --resume, or name another folder with --out")
        return {**fixed, **length, "batches": options.accumulate * world.size, "elapsed": 0.0}
    if not has_tensors(out, CHECKPOINT):
        raise TrainingError(f"{out} holds no checkpoint to resume", "leave --resume out to start")
    state = {"batches": 1, **trainer.restore(out)}
    state["recipe"] = Recipe.completed(state["recipe"])
    for name, value in fixed.items():
        if state.get(name) != value:
            raise TrainingError(
                f"the run in {out} was made with another {name}", "resume with what it was started with"
            )
    if state["batches"] % world.size:
        shared = f"{state['batches']} batches a step, which {world.size} processes cannot share"
        raise TrainingError(f"the run in {out} takes {shared}", "resume with as many processes as it was started with")
    return {**state, **length} if any(length.values()) else state
