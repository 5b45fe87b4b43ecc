"""Where a run stands: the position in [0, 1] by steps or by the clock, and what learning rate and stage follow
from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from vtc.errors import UsageError
from vtc.training.recipe import Stage


@dataclass(frozen=True)
class Schedule:
    """Warm-up, then a cosine to zero, over a number of steps or of minutes (exactly one of them). `warmup` is a
    share.
    """

    steps: int | None
    minutes: float | None
    warmup: float

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise UsageError("a run has a length either in steps or in minutes", "give one of --steps and --minutes")
        if (self.minutes or 0 if self.steps is None else self.steps) <= 0:
            raise UsageError("the length of a run must be positive")

    def position(self, step: int, elapsed: float) -> float:
        """Share of the run that is behind after `step` steps and `elapsed` seconds, in [0, 1]."""
        done = step / self.steps if self.steps else elapsed / (60 * (self.minutes or 1))
        return min(1.0, done)

    def lr_scale(self, position: float) -> float:
        """The factor on the learning rate in [0, 1]; the first step already moves, so that short runs do too."""
        if position < self.warmup:
            # By steps the ramp ends exactly on the cosine; by minutes the clock stands at 0 in the first step.
            ahead = 1 / self.steps if self.steps else self.warmup / 100
            return min(1.0, (position + ahead) / self.warmup)
        return 0.5 * (1 + math.cos(math.pi * (position - self.warmup) / (1 - self.warmup)))


def stage_at(stages: Sequence[Stage], position: float) -> Stage:
    """The stage that a position in [0, 1] falls into."""
    end = 0.0
    for stage in stages:
        end += stage.share
        if position < end - 1e-9:
            return stage
    return stages[-1]
