"""What the entropy coder knows of every token that it codes, gathered over whole runs for training.

Everything here is made by the functions that the coder itself uses (vtc/entropy/surroundings.py, context.py), so that a network
is trained on the very integers that it will see.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vtc.entropy.context import PARTS, budget, prediction, prediction_inputs, wrapped
from vtc.entropy.exact import levels
from vtc.entropy.static import activity
from vtc.entropy.stream import Ints, StreamSpec
from vtc.entropy.surroundings import Slice, class_inputs, mean, nothing, slice_of, token_inputs
from vtc.training.context.runs import Run

RIDGE = 0.01


@dataclass(frozen=True)
class Plan:
    """What a context model fixes before its network is trained; see `ContextModel` for the arrays."""

    spec: StreamSpec
    thresholds: Ints
    edges: tuple[int, ...]
    passes: tuple[int, ...]
    keep: Ints

    @property
    def first(self) -> int:
        """Channels of the first group."""
        return self.edges[1]


@dataclass(frozen=True)
class Tokens:
    """All that is known of coded tokens: `rest` int16 [n, C], what is coded; uint8 `common` [n, inputs], `past`, `side`, `near` [n, C],
    `budget` [n, G, BUDGET], `alone` [n]."""

    rest: Tensor
    common: Tensor
    past: Tensor
    side: Tensor
    near: Tensor
    budget: Tensor
    alone: Tensor

    def __len__(self) -> int:
        return len(self.rest)

    def batch(self, index: Tensor) -> "Tokens":
        """Some of them."""
        return Tokens(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Labels:
    """Classes: uint8 `inputs` [n, class inputs], `alone` and `label` [n]."""

    inputs: Tensor
    alone: Tensor
    label: Tensor


def walk(plan: Plan, run: Run) -> Iterator[tuple[Slice, Ints, Ints]]:
    """Every slice of a run in coding order: what is known of it, its symbols [size, C] and labels [size]."""
    before = None
    for z, side, vectors, steps in zip(run.structural, run.side, run.vectors, run.steps, strict=True):
        z, alone = z.astype(np.int32), (side & 1).astype(np.uint8)
        if before is None:
            moved = nothing(z.shape[2], steps)
        else:
            moved = before.moved(vectors, plan.keep, steps)
        known, label = slice_of(before, moved, side, alone, vectors), activity(z, plan.thresholds)
        yield known, known.grid.flat(z), known.grid.flat(label)
        before = moved.then(z, label, alone)


def fit_prediction(plan: Plan, runs: Sequence[Run]) -> Ints:
    """The weights of `prediction`: ridge regression for every pass, with and without a slice before, each token weighing by its size."""
    count = 5 * plan.first
    left, right = np.zeros((2, 4, count, count)), np.zeros((2, 4, count, plan.first))
    for run in runs:
        for known, z, labels in walk(plan, run):
            state = _after(known, z, plan.first)
            for number, at in enumerate(known.grid.passes):
                here = at[(known.alone[at] > 0) & (labels[at] > 0)]
                x, y = prediction_inputs(known, state, here, number), z[here, : plan.first]
                weight = 1 / (0.05 + np.square(z[here]).mean(1, keepdims=True))
                left[known.led, number] += x.T @ (x * weight)
                right[known.led, number] += x.T @ (y * weight)
    scale = np.trace(left, axis1=2, axis2=3)[..., None, None] / count
    weights = np.linalg.solve(left + (RIDGE * scale + 1e-3) * np.eye(count), right)
    return np.rint(weights * 4096).astype(np.int32)


def gather(plan: Plan, predict: Ints, runs: Sequence[Run]) -> tuple[Tokens, Labels]:
    """Everything that is known of the tokens and classes of all runs."""
    tokens: list[tuple[Ints, ...]] = []
    classes: list[tuple[Ints, ...]] = []
    for run in runs:
        for known, z, labels in walk(plan, run):
            tokens.append(_tokens(plan, predict, known, z, labels))
            for number, at in enumerate(known.grid.passes):
                inputs = class_inputs(known, number, labels, plan.spec.sides)
                classes.append((inputs, known.alone[at], labels[at]))
    joined = [torch.from_numpy(np.concatenate(parts)) for parts in zip(*tokens)]
    return Tokens(*joined), Labels(*(torch.from_numpy(np.concatenate(parts)) for parts in zip(*classes)))


def _tokens(plan: Plan, predict: Ints, known: Slice, z: Ints, labels: Ints) -> tuple[Ints, ...]:
    """The fields of `Tokens` for one slice."""
    grid, spec = known.grid, plan.spec
    passes = [at[labels[at] > 0] for at in grid.passes]
    at, number = np.concatenate(passes), np.repeat(np.arange(4), [len(p) for p in passes])
    state, rest = _after(known, z, plan.first), z.copy()
    for parts in PARTS[plan.passes[0]]:
        here = np.concatenate([passes[p] for p in parts])
        guess = prediction(known, state, here, parts[0], predict, spec.bound)
        rest[here, : plan.first] = wrapped(z[here, : plan.first] - guess, spec.bound)
    level = levels(rest)
    near = np.zeros((len(at), spec.channels), np.uint8)
    for group, count in enumerate(plan.passes):
        channels = slice(plan.edges[group], plan.edges[group + 1])
        for parts in PARTS[count][1:]:
            some = np.isin(number, parts)
            near[some, channels] = mean(level[:, channels], grid, at[some], grid.seen(parts[0])[:4])
    spent = np.pad(np.cumsum(np.abs(z[at]), 1), ((0, 0), (1, 0)))[:, plan.edges[:-1]]
    left = np.stack([budget(plan.thresholds, labels[at], s) for s in spent.T], 1)
    common = token_inputs(known, at, number, labels, spec.classes, spec.sides)
    side = mean(level, grid, at, grid.sides).astype(np.uint8)
    return (
        rest[at].astype(np.int16),
        common,
        levels(known.state[at]),
        side,
        near,
        left.astype(np.uint8),
        known.alone[at],
    )


def _after(known: Slice, z: Ints, first: int) -> Ints:
    """The state [size, N] of the first group once the slice is coded."""
    return np.where(known.alone[:, None] > 0, 0, known.state[:, :first]) + z[:, :first]
