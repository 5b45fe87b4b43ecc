"""Numbers spread over the digits of discrete tokens (ours): the linear start of a tokenizer whose latents are ids.

A number is told in units of its own, by one digit, or by several where it is large: a coarse one, then what that left, and so on. Each is a
channel of finite scalar quantisation with the same odd count of levels L, so several digits count in base L. The largest digits come
first: every prefix of the tokens is the best picture that it can be.
"""

import math

import torch
from torch import Tensor, nn

from vtc.tokenizers.layers.fsq import FSQ

SPREAD = 8.0
"""Digits of a number reach over that many standard deviations."""
FINEST = 1e-3
"""The unit is at least that share of the largest deviation."""
WORTH = 0.45
"""A number is told if its standard deviation is at least that share of the unit."""


class Digits(nn.Module):
    """`tokens` of `channels` digits for `numbers` numbers; `fit` decides which digit tells what."""

    source: Tensor
    place: Tensor
    finer: Tensor
    unit: Tensor

    def __init__(self, numbers: int, tokens: int, channels: int, level: int) -> None:
        super().__init__()
        if level % 2 == 0:
            raise ValueError(f"digits of {level} levels have no middle")
        self.fsq, self.level, self.tokens, self.channels = FSQ((level,) * channels), level, tokens, channels
        count = tokens * channels
        self.register_buffer("source", torch.arange(count) % numbers)  # of each digit, the number that it tells
        self.register_buffer("place", torch.zeros(count, dtype=torch.int64))  # the power of L that it counts, -1: not used
        self.register_buffer("finer", torch.zeros(count, dtype=torch.bool))  # whether there is a larger one
        self.register_buffer("unit", torch.ones(numbers))

    def forward(self, numbers: Tensor, added: Tensor | None = None) -> Tensor:
        """Digits `[..., tokens, channels]`, float32 and whole, of `numbers [..., N]`; `added [..., tokens, channels]` goes to the number of
        each lowest digit first, in its units. Differentiable: a number moves its lowest digit."""
        value = (numbers / self.unit.float())[..., self.source]
        lowest = (self.place == 0).float()
        if added is not None:
            own = torch.zeros_like(numbers).index_add(-1, self.source, added.float().flatten(-2) * lowest)
            value = value + own[..., self.source]
        weight = self._weight()
        larger = weight * self.level
        whole = value.detach().round()  # every digit is one of this number: half-way cases, rounded apart, would not fit together
        told = torch.where(self.place == 0, value, whole)
        left = torch.where(self.finer, told - larger * (whole / larger).round(), told) / weight
        moving = left * (self.place >= 0)
        return self.fsq(moving.unflatten(-1, (self.tokens, self.channels)))

    def numbers(self, digits: Tensor) -> Tensor:
        """The numbers `[..., N]` that digits `[..., tokens, channels]` tell; zero where none does."""
        told = digits.float().flatten(-2) * self._weight() * (self.place >= 0)
        whole = told.new_zeros(*told.shape[:-1], len(self.unit))
        return whole.index_add(-1, self.source, told) * self.unit.float()

    def _weight(self) -> Tensor:
        """What one step of each digit counts, in units of its number."""
        return torch.pow(float(self.level), self.place.clamp(min=0).float())

    @torch.no_grad()
    def fit(self, deviation: Tensor, weight: Tensor | None = None) -> None:
        """Share the digits out among numbers of these standard deviations `[N]`: one unit for all (divided by `weight [N]`, how much an
        error of each weighs), as fine as the digits allow."""
        size = deviation if weight is None else deviation * weight
        count, low, high = len(self.source), float(size.max()) * FINEST, float(size.max()) * 10
        for _ in range(60):
            unit = math.sqrt(low * high)
            low, high = (unit, high) if int(self._needed(size, unit).sum()) > count else (low, unit)
        needed = self._needed(size, high)
        spare = torch.argsort(size * (needed == 0), descending=True)[: count - int(needed.sum())]
        needed[spare] = needed[spare].clamp(min=1)  # digits that are over tell numbers that would not be worth it
        source = torch.repeat_interleave(torch.arange(len(size)), needed)
        first = torch.repeat_interleave(needed.cumsum(0) - needed, needed)
        place = torch.arange(len(source)) - first
        finer = place < needed[source] - 1
        matter = torch.where(finer, high * self.level ** (place + 1) / math.sqrt(12), size[source])
        order = torch.argsort(matter, descending=True, stable=True)
        self.place.fill_(-1)
        for own, found in ((self.source, source), (self.place, place), (self.finer, finer)):
            own[: len(order)] = found[order]
        self.unit.copy_(high / (torch.ones_like(size) if weight is None else weight))

    def _needed(self, size: Tensor, unit: float) -> Tensor:
        """Digits `[N]` that numbers of these sizes need with a unit."""
        digits = (torch.log(SPREAD * size / unit) / math.log(self.level)).ceil().clamp(min=1)
        return torch.where(size >= WORTH * unit, digits, torch.zeros_like(digits)).long()
