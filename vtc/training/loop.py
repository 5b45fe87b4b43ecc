"""The loop: from the first step, or the last checkpoint, to the end of the schedule or the first signal."""

import json
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from vtc.codec.memory import reuse_memory
from vtc.errors import TrainingError, UsageError
from vtc.training.batches import Batches, Loader
from vtc.training.cache import Cache
from vtc.training.checkpoint import save_tensors
from vtc.training.log import Meter, RunLog
from vtc.training.objective import Objective
from vtc.training.recipe import Recipe
from vtc.training.report import Reporter
from vtc.training.schedule import Schedule, stage_at
from vtc.training.trainer import Trainer

CHECKPOINT, EMA = "checkpoint.safetensors", "ema.safetensors"


@dataclass(frozen=True)
class Options:
    """How long, where and how watched. Exactly one of steps and minutes (on resuming, none: as before)."""

    steps: int | None = None
    minutes: float | None = None
    device: str = "auto"
    threads: int | None = None
    seed: int = 0
    resume: bool = False
    checkpoint_minutes: float = 3.0
    evaluate_minutes: float = 5.0
    log_every: int = 10


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


def pick_device(name: str) -> torch.device:
    """The device of `--device`: auto, cpu, cuda or cuda:N."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError(
            f"{name} is not at hand: torch finds no CUDA device", "leave --device out, or install torch with CUDA"
        )
    return torch.device(name)


class StopSignal:
    """Turns SIGTERM and the first SIGINT into `asked`; a second SIGINT interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
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
        if self.asked and number == signal.SIGINT:
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
) -> Outcome:
    """Train `model` and leave checkpoint, log, curves and, at the end, the averaged weights in the folder `out`.

    On the CPU, a run that was stopped and resumed ends with the very weights of one that was not (given steps, not
    minutes, and the same number of threads). Raises `TrainingError` for a folder that holds another run and for losses
    that stop being numbers.
    """
    device = pick_device(options.device)
    reuse_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
    out.mkdir(parents=True, exist_ok=True)
    trainer = Trainer(recipe, objective, model, device, options.seed)
    state = _begin(trainer, cache, out, options)
    schedule = Schedule(state["steps"], state["minutes"], recipe.warmup)
    batches = Batches(cache, recipe, options.seed)
    reporter = reporter or Reporter()
    with StopSignal() as stop, Loader(batches, trainer.step, device) as loader:
        watch = _Watch(trainer, loader, schedule, batches.held_out(), out, state, options, reporter)
        if trainer.step == 0:
            watch.evaluate()
        while watch.position < 1 and not stop.asked:
            position = watch.position
            stage = stage_at(recipe.stages, position)
            watch.meter.add(trainer.advance(next(loader), stage, schedule.lr_scale(position)))
            watch.look(stage.name, schedule.lr_scale(position) * recipe.lr)
        return watch.end()


def _begin(trainer: Trainer, cache: Cache, out: Path, options: Options) -> dict[str, Any]:
    """The state of a new run, or of the one in `out` when resuming."""
    path = out / CHECKPOINT
    fixed = {"recipe": json.loads(trainer.recipe.to_json()), "manifest": cache.manifest, "seed": options.seed}
    length = {"steps": options.steps, "minutes": options.minutes}
    if not options.resume:
        if path.exists():
            raise TrainingError(f"{out} holds a run already", "go on with --resume, or name another folder with --out")
        return {**fixed, **length, "elapsed": 0.0}
    if not path.exists():
        raise TrainingError(f"{out} holds no checkpoint to resume", "leave --resume out to start")
    state = trainer.restore(path)
    for name, value in fixed.items():
        if state.get(name) != value:
            raise TrainingError(
                f"the run in {out} was made with another {name}", "resume with what it was started with"
            )
    return {**state, **length} if any(length.values()) else state


class _Watch:
    """The clock of a run, and what happens by it: log lines, evaluations, checkpoints."""

    def __init__(
        self,
        trainer: Trainer,
        loader: Loader,
        schedule: Schedule,
        held: list[dict[str, Tensor]],
        out: Path,
        state: dict[str, Any],
        options: Options,
        reporter: Reporter,
    ) -> None:
        self.trainer, self.loader, self.schedule, self.reporter = trainer, loader, schedule, reporter
        self.out, self.state, self.options = out, state, options
        self.held = [{name: tensor.to(trainer.device) for name, tensor in clip.items()} for clip in held]
        self.log, self.meter = RunLog(out, trainer.step), Meter()
        self.figures: dict[str, float] = {}
        self._zero = time.monotonic() - state["elapsed"]
        self._saved = self._judged = self._marked = self.elapsed
        self._paused, self._waited, self._steps = 0.0, 0.0, trainer.step

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return time.monotonic() - self._zero

    @property
    def position(self) -> float:
        """Share of the schedule that is behind, in [0, 1]."""
        return self.schedule.position(self.trainer.step, self.elapsed)

    def look(self, stage: str, lr: float) -> None:
        """After a step: do what is due."""
        if self.trainer.step % self.options.log_every == 0:
            self.record(stage, lr)
        if self.elapsed - self._judged >= 60 * self.options.evaluate_minutes:
            self.evaluate()
        if self.elapsed - self._saved >= 60 * self.options.checkpoint_minutes:
            self.save()

    def record(self, stage: str, lr: float) -> None:
        """Write a log line over the steps since the last one."""
        means = self.meter.read()
        spent = max(1e-9, self.elapsed - self._marked - self._paused)
        clips = (self.trainer.step - self._steps) * self.trainer.recipe.batch
        line = {"step": self.trainer.step, "stage": stage, **means, "lr": lr, "clips/s": clips / spent}
        line |= {"wait": (self.loader.waited - self._waited) / spent, "elapsed": self.elapsed}
        self._tell(line)
        self._marked, self._paused = self.elapsed, 0.0
        self._waited, self._steps = self.loader.waited, self.trainer.step

    def _tell(self, line: dict[str, Any]) -> None:
        rounded = {name: round(value, 7) if isinstance(value, float) else value for name, value in line.items()}
        self.log.write(rounded)
        self.reporter.progress(self.position, rounded)

    def evaluate(self) -> None:
        """Judge the averaged weights on the held-out clips."""
        began = self.elapsed
        with torch.no_grad():  # not inference mode: what models keep in caches must stay fit for training
            self.figures = self.trainer.objective.evaluate(self.trainer.average.model, self.held)
        self._tell({"step": self.trainer.step, **self.figures, "elapsed": self.elapsed})
        self.reporter.say(f"step {self.trainer.step}: " + ", ".join(f"{k} {v:.4g}" for k, v in self.figures.items()))
        self.log.draw()
        self._judged = self.elapsed
        self._paused += self.elapsed - began

    def save(self) -> None:
        """Write the checkpoint, unless the loss went wrong since the last look."""
        began = self.elapsed
        self.meter.check()
        self.trainer.save(self.out / CHECKPOINT, {**self.state, "elapsed": self.elapsed})
        self._saved = self.elapsed
        self._paused += self.elapsed - began

    def end(self) -> Outcome:
        """Leave the run so that it can go on, or so that it is finished."""
        self.save()
        finished = self.position >= 1
        if finished:
            self.evaluate()
            save_tensors(self.out / EMA, self.trainer.average.model.state_dict())
        average = self.trainer.average.model
        return Outcome(finished, self.trainer.step, self.elapsed, self.figures, average)
