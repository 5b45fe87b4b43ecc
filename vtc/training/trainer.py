"""One training step, and everything that a step changes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vtc.errors import TrainingError
from vtc.training.average import Average
from vtc.training.checkpoint import gather, load_tensors, save_tensors, scatter
from vtc.training.objective import Objective
from vtc.training.recipe import Recipe, Stage

BETAS = (0.9, 0.99)


class Trainer:
    """A model with its average, optimizer and count of finished steps.

    All chance in a step comes from (seed, step), so nothing of a random generator has to be kept. Weights are
    float32, the arithmetic of the loss is bfloat16 where autocast says so.
    """

    def __init__(self, recipe: Recipe, objective: Objective, model: nn.Module, device: torch.device, seed: int) -> None:
        self.recipe, self.objective, self.device, self.seed = recipe, objective, device, seed
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
        for stage in recipe.stages:
            for prefix in stage.frozen:
                if not any(_under(name, prefix) for name in self._trainable):
                    raise TrainingError(f"stage {stage.name} freezes {prefix}, which the model does not have")

    def advance(self, batch: dict[str, Tensor], stage: Stage, lr_scale: float) -> dict[str, Tensor]:
        """Do one step on a batch; returns the parts of the loss (0-dimensional, on the device) with `loss` and
        `norm`.
        """
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(self._trainable[name] and not any(_under(name, f) for f in stage.frozen))
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.lr * lr_scale
        torch.manual_seed(self._draw(0))  # for what draws without asking, as dropout does
        generator = torch.Generator(self.device).manual_seed(self._draw(1))
        with torch.autocast(self.device.type, torch.bfloat16):
            loss, parts = self.objective.loss(self.model, batch, stage, generator, self.step)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.average.update(self.step)
        return {"loss": loss.detach(), **{name: part.detach() for name, part in parts.items()}, "norm": norm}

    def save(self, path: Path, state: dict[str, Any]) -> None:
        """Write a checkpoint, with `state` and the step as its JSON."""
        save_tensors(path, gather(self.model, self.average.model, self.optimizer), {**state, "step": self.step})

    def restore(self, path: Path) -> dict[str, Any]:
        """Go on from a checkpoint; returns its state."""
        tensors, state = load_tensors(path)
        scatter(tensors, self.model, self.average.model, self.optimizer)
        self.step = int(state["step"])
        return state

    def _draw(self, purpose: int) -> int:
        words = np.random.SeedSequence([self.seed, self.step, purpose]).generate_state(1, np.uint64)
        return int(words[0] >> np.uint64(1))


def _under(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def load_init(model: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Start a model from the weights of another: what fits by name and shape is taken. Returns the names left as
    they were.
    """
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        raise TrainingError(
            "nothing in the initial weights fits this recipe", "use a bundle of the same tokenizer and size"
        )
    model.load_state_dict(fitting, strict=False)
    return sorted(set(own) - set(fitting))
