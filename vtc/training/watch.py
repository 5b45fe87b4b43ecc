"""The clock of a run, and what happens by it: log lines, evaluations, pictures, checkpoints."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vtc.training.batches import Batch, Loader
from vtc.training.compute import measure_peak
from vtc.training.log import Meter, RunLog
from vtc.training.pictures import CLIPS, Showing, save_pictures
from vtc.training.recipe import Stage
from vtc.training.report import Reporter
from vtc.training.schedule import Schedule
from vtc.training.trainer import Trainer


@dataclass(frozen=True)
class Rhythm:
    """How often a run looks up: minutes between checkpoints and between evaluations, steps between lines of the log."""

    checkpoint_minutes: float = 3.0
    evaluate_minutes: float = 5.0
    log_every: int = 10


class Watch:
    """See the module. Only the first of several processes judges, writes and speaks; the others keep it company where
    figures are summed over all.
    """

    def __init__(
        self,
        trainer: Trainer,
        loader: Loader,
        schedule: Schedule,
        held: list[Batch],
        out: Path,
        state: dict[str, Any],
        rhythm: Rhythm,
        reporter: Reporter,
        shard: bool = False,
    ) -> None:
        self.trainer, self.loader, self.schedule, self.reporter = trainer, loader, schedule, reporter
        self.out, self.state, self.rhythm, self.shard, self.world = out, state, rhythm, shard, trainer.world
        self.held = [{name: tensor.to(trainer.device) for name, tensor in clip.items()} for clip in held]
        self.meter = Meter(self.world)
        self.figures: dict[str, float] = {}
        self.peak = measure_peak(trainer.device)
        self._waited, self._steps, self._flops = 0.0, trainer.step, 0
        self._saved = self._judged = self._marked = self._paused = 0.0
        self._begin()
        if self.world.first:
            self.log = RunLog(out, trainer.step)
            if trainer.step == 0:
                self.evaluate()
                self._begin()  # the first look is not taken off the time for training

    @property
    def elapsed(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return time.monotonic() - self._zero

    @property
    def position(self) -> float:
        """Share of the schedule that is behind, in [0, 1]."""
        return self.schedule.position(self.trainer.step, self.elapsed)

    def weigh(self, batches: list[Batch], stage: Stage) -> None:
        """Before a step: note how much arithmetic it takes."""
        with self._pause():
            self._flops += self.trainer.flops(batches, stage)

    def look(self, stage: Stage, lr: float) -> None:
        """After a step: do what is due."""
        if self.trainer.step % self.rhythm.log_every == 0:
            self.record(stage, lr)
        if not self.world.first:
            return
        if self.elapsed - self._judged >= 60 * self.rhythm.evaluate_minutes:
            self.evaluate()
        if self.elapsed - self._saved >= 60 * self.rhythm.checkpoint_minutes:
            self.save()

    def record(self, stage: Stage, lr: float) -> None:
        """Write a log line over the steps since the last one.

        `gflop/s` counts all processes, `peak` is this one's share of what its device can do.
        """
        means = self.meter.read()
        spent = max(1e-9, self.elapsed - self._marked - self._paused)
        clips = (self.trainer.step - self._steps) * self.trainer.recipe.batch * self.state["batches"]
        rate = self._flops / spent
        line = {"step": self.trainer.step, "stage": stage.name, **means, "lr": lr, "clips/s": clips / spent}
        line |= {"gflop/s": rate * self.world.size / 1e9, "peak": rate / self.peak}
        line |= {"wait": (self.loader.waited - self._waited) / spent, "elapsed": self.elapsed}
        self._tell(line)
        self._marked, self._paused, self._flops = self.elapsed, 0.0, 0
        self._waited, self._steps = self.loader.waited, self.trainer.step

    def evaluate(self) -> None:
        """Judge the averaged weights on the held-out clips."""
        objective, model, step = self.trainer.objective, self.trainer.average.model, self.trainer.step
        with self._pause():
            with torch.no_grad():  # not inference mode: what models keep in caches must stay fit for training
                self.figures = objective.evaluate(model, self.held)
                if isinstance(objective, Showing):
                    rows = objective.pictures(model, self.held[:CLIPS])
                    save_pictures(self.out / "pictures" / f"{step:07}.png", rows)
            self._tell({"step": step, **self.figures, "elapsed": self.elapsed})
            self.reporter.say(f"step {step}: " + ", ".join(f"{k} {v:.4g}" for k, v in self.figures.items()))
            self.log.draw()
        self._judged = self.elapsed

    def save(self) -> None:
        """Write the checkpoint, unless the loss went wrong since the last look."""
        if not self.world.first:
            return
        with self._pause():
            self.meter.check()
            self.trainer.save(self.out, {**self.state, "elapsed": self.elapsed}, self.shard)
        self._saved = self.elapsed

    def _begin(self) -> None:
        self._zero = time.monotonic() - self.state["elapsed"]
        self._saved = self._judged = self._marked = self.elapsed
        self._paused = 0.0

    def _tell(self, line: dict[str, Any]) -> None:
        if self.world.first:
            rounded = {name: round(value, 7) if isinstance(value, float) else value for name, value in line.items()}
            self.log.write(rounded)
            self.reporter.progress(self.position, rounded)

    @contextmanager
    def _pause(self) -> Iterator[None]:
        """Time that is no training, and does not count in rates."""
        began = self.elapsed
        yield
        self._paused += self.elapsed - began
