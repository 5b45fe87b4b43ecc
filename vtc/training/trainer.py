"""One training step, and everything that a step changes."""

import copy
import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vtc.errors import TrainingError
from vtc.training.average import Average
from vtc.training.checkpoint import gather, read_tensors, scatter, write_tensors
from vtc.training.compute import count_flops
from vtc.training.objective import Objective
from vtc.training.parallel import ALONE, World
from vtc.training.recipe import Recipe, Stage

BETAS = (0.9, 0.99)
CHECKPOINT = "checkpoint"

Batch = dict[str, Tensor]


class Trainer:
    """A model with its average, optimizer and count of finished steps; the same in every process of `world`.

    All chance in a step comes from (seed, step, number of the batch), so nothing of a random generator has to be kept,
    and it does not matter which process takes which batch of a step. Weights are float32, the arithmetic of the loss is
    bfloat16 where autocast says so.
    """

    def __init__(
        self,
        recipe: Recipe,
        objective: Objective,
        model: nn.Module,
        device: torch.device,
        seed: int,
        world: World = ALONE,
    ) -> None:
        self.recipe, self.objective, self.device, self.seed, self.world = recipe, objective, device, seed, world
        self.model = model.to(device).train()
        self.average = Average(self.model, recipe.ema)
        self.step = 0
        parameters = list(self.model.parameters())
        groups = [
            {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": recipe.weight_decay},
            {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], recipe.lr, BETAS, fused=True)
        self._trainable = {name: parameter.requires_grad for name, parameter in self.model.named_parameters()}
        self._loss: nn.Module = _Loss(objective, self.model)
        self._stage: Stage | None = None
        self._flops: dict[tuple[str, torch.Size], int] = {}
        for stage in recipe.stages:
            for prefix in stage.frozen:
                if not any(_under(name, prefix) for name in self._trainable):
                    raise TrainingError(f"stage {stage.name} freezes {prefix}, which the model does not have")

    def advance(self, batches: Sequence[Batch], stage: Stage, lr_scale: float) -> dict[str, Tensor]:
        """Do one step on this process's batches of it, by the mean gradient over all batches of all processes; returns
        the parts of the loss (0-dimensional, on the device, means over `batches`) with `loss` and `norm`.
        """
        self._enter(stage)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * lr_scale
        told = []
        for i, batch in enumerate(batches):
            with self._synchronised(i == len(batches) - 1):
                loss, parts = self._loss(batch, stage, self._chance(self.world.rank * len(batches) + i), self.step)
                (loss / len(batches)).backward()
            told.append({"loss": loss.detach(), **parts})
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.average.update(self.step)
        return {**{name: torch.stack([parts[name] for parts in told]).mean() for name in told[0]}, "norm": norm}

    def flops(self, batches: Sequence[Batch], stage: Stage) -> int:
        """Floating-point operations of a step on `batches`, counted once for each stage and shape, on a copy,
        which is not compiled even where the model is."""
        total = 0
        for batch in batches:
            key = (stage.name, batch["clip"].shape)
            if key not in self._flops:
                self._flops[key] = self._count(batch, stage)
            total += self._flops[key]
        return total

    def save(self, out: Path, state: dict[str, Any], sharded: bool = False) -> None:
        """Write a checkpoint to the folder `out`, with `state` and the step as its JSON."""
        tensors = gather(self.model, self.average.model, self.optimizer)
        write_tensors(out, CHECKPOINT, tensors, {**state, "step": self.step}, sharded)

    def restore(self, out: Path) -> dict[str, Any]:
        """Go on from a checkpoint; returns its state."""
        tensors, state = read_tensors(out, CHECKPOINT)
        scatter(tensors, self.model, self.average.model, self.optimizer)
        self.step = int(state["step"])
        return state

    def _count(self, batch: Batch, stage: Stage) -> int:
        self._enter(stage)
        loss = _Loss(self.objective, copy.deepcopy(self.model))
        return count_flops(lambda: loss(batch, stage, self._chance(0), self.step)[0].backward())

    def _enter(self, stage: Stage) -> None:
        """Let rest what rests in a stage. Data parallelism must know it, so its wrapper is made anew."""
        if stage is self._stage:
            return
        self._stage = stage
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(self._trainable[name] and not any(_under(name, f) for f in stage.frozen))
        self._loss = _Loss(self.objective, self.model)
        if self.world.size > 1:
            # Stages may leave parts of the model out. Buffers are constant, or counted alike everywhere.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`broadcast_buffers`", FutureWarning)  # its successor is too new
                self._loss = DistributedDataParallel(self._loss, find_unused_parameters=True, broadcast_buffers=False)

    def _synchronised(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are summed over processes with the last batch of a step."""
        if last or not isinstance(self._loss, DistributedDataParallel):
            return nullcontext()
        return self._loss.no_sync()

    def _chance(self, number: int) -> Generator:
        """A generator for a batch of this step; what draws without asking, as dropout does, is seeded too."""
        torch.manual_seed(self._draw(2 * number))
        return torch.Generator(self.device).manual_seed(self._draw(2 * number + 1))

    def _draw(self, purpose: int) -> int:
        words = np.random.SeedSequence([self.seed, self.step, purpose]).generate_state(1, np.uint64)
        return int(words[0] >> np.uint64(1))


class _Loss(nn.Module):
    """The objective's loss as a module, which is what data parallelism wraps. Parts come without their graph."""

    def __init__(self, objective: Objective, model: nn.Module) -> None:
        super().__init__()
        self.objective, self.model = objective, model

    def forward(
        self, batch: Batch, stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(batch["clip"].device.type, torch.bfloat16):
            loss, parts = self.objective.loss(self.model, batch, stage, generator, step)
        return loss, {name: part.detach() for name, part in parts.items()}


def _under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")
