"""The exponential moving average of the weights: what is judged and exported."""

import copy

import torch
from torch import Tensor, nn


class Average:
    """A copy of a model whose parameters follow the original's with a decay that warms up, (1 + step) / (10 + step)
    at most.

    Buffers are copied as they are. `model` is the copy, in evaluation mode and without gradients.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay
        self._to = list[Tensor](self.model.parameters())
        self._from = list[Tensor](model.parameters())
        self._copies = [(mine, theirs) for mine, theirs in zip(self.model.buffers(), model.buffers())]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the model's weights after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._to, self._from, 1 - decay)
        for mine, theirs in self._copies:
            mine.copy_(theirs)
