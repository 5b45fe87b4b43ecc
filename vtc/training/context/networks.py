"""The networks of the `context` profile in floats, as they are trained, and their way into whole numbers.

An input of the coder counts in 1/32 here, a hidden value too, and an output is the place of a table among its like. Training
sees a place between two tables as a mixture of both codes; the coder rounds.
"""

import copy
import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from vtc.entropy.context import BUDGET
from vtc.entropy.exact import EXACT, HIDDEN_MOST, HIDDEN_SHIFT, MOST, OUT_SHIFT, UNIT, levels
from vtc.entropy.stream import Ints
from vtc.entropy.surroundings import class_input_count, token_input_count
from vtc.training.context.features import Labels, Plan, Tokens

HIDDEN, CLASS_HIDDEN = 80, 32
TABLES, CLASS_TABLES = 48, 80
PEAK = 16  # magnitudes below this have a shape of their own in every table
TOTAL = 1 << 20
_CEILING = HIDDEN_MOST / UNIT


class SymbolNetwork(nn.Module):
    """Picks the tables of symbols; parameters are named as the arrays of `ContextModel`."""

    def __init__(self, plan: Plan, hidden: int = HIDDEN, tables: int = TABLES) -> None:
        super().__init__()
        self.plan, channels = plan, plan.spec.channels
        inputs, groups = token_input_count(plan.spec.classes, plan.spec.sides), len(plan.passes)

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(0.03 * torch.randn(*shape))

        self.own, self.side, self.past, self.near = (drawn(channels, hidden) for _ in range(4))
        self.common, self.budget = drawn(inputs, hidden), drawn(BUDGET, hidden)
        self.start = nn.Parameter(torch.zeros(groups, hidden))
        self.out = drawn(hidden, channels)
        self.out_common, self.out_budget = (nn.Parameter(torch.zeros(n, channels)) for n in (inputs, BUDGET))
        self.out_past, self.out_near = nn.Parameter(torch.zeros(2, channels)), nn.Parameter(torch.zeros(channels))
        self.out_start = nn.Parameter(torch.full((channels,), tables / 4))
        self.scale = nn.Parameter(torch.linspace(math.log(0.12), math.log(plan.spec.bound / 2.8), tables))
        self.shape = nn.Parameter(torch.zeros(tables, PEAK))
        self.register_buffer("level", torch.from_numpy(levels(np.arange(8191))).float() / UNIT)
        self.level: Tensor
        self.whole = False

    def places(self, tokens: Tokens) -> Tensor:
        """Where every symbol's table is, [B, C]."""
        groups = list(pairwise(self.plan.edges))
        level = self.level[tokens.rest.long().abs()]
        parts = (tokens.side, tokens.near, tokens.past, tokens.budget, tokens.common)
        side, near, past, left, common = (part.to(level.dtype) / UNIT for part in parts)
        earlier = torch.stack([level[:, a:b] @ self.own[a:b] + side[:, a:b] @ self.side[a:b] for a, b in groups], 1)
        sums = earlier.cumsum(1) - earlier + torch.stack([near[:, a:b] @ self.near[a:b] for a, b in groups], 1)
        sums = sums + left @ self.budget + (common @ self.common + past @ self.past)[:, None] + self.start
        hidden = _hidden(sums, self.whole)
        inner = [hidden[:, g] @ self.out[:, a:b] + left[:, g] @ self.out_budget[:, a:b] for g, (a, b) in enumerate(groups)]
        outer = common @ self.out_common + past * self.out_past[tokens.alone.long()] + near * self.out_near
        return torch.cat(inner, 1) + outer + self.out_start

    def bits(self, tokens: Tokens) -> Tensor:
        """What every symbol costs, [B, C]."""
        return interpolated(self.places(tokens), self.costs(), tokens.rest.long().abs())

    def costs(self) -> Tensor:
        """Bits of every magnitude in every table, [tables, bound + 1], the sign included: discrete Laplacians with a peak of their own."""
        size = torch.arange(self.plan.spec.bound + 1.0)
        logits = -size / self.scale.exp()[:, None]
        logits = torch.cat((logits[:, :PEAK] + self.shape[:, : len(size)], logits[:, PEAK:]), 1)
        floor = 1e-6
        mass = logits.softmax(1) * (1 - floor * len(size)) + floor
        return (size > 0).float() - torch.log2(mass)

    @torch.no_grad()
    def hold(self) -> None:
        """Scale down what leads into a hidden value whose sum could leave the range in which whole numbers are exact."""
        weights = [getattr(self, name) for name in ("own", "side", "past", "near", "common", "budget")]
        sums = sum(part.abs().sum(0) for part in weights) * (MOST / UNIT) + self.start.abs().amax(0)
        share = (0.9 * EXACT / UNIT / 2**HIDDEN_SHIFT / sums).clamp(max=1)
        for part in (*weights, self.start):
            part.mul_(share)

    @torch.no_grad()
    def arrays(self) -> dict[str, Ints]:
        """Its parameters as the arrays of `ContextModel`, without the tables."""
        arrays = {name: _rounded(getattr(self, name) * scale) for name, scale in _SCALES.items()}
        arrays["start"] += 1 << HIDDEN_SHIFT - 1  # the coder rounds down
        arrays["out_start"] += 1 << OUT_SHIFT - 1
        return arrays

    @torch.no_grad()
    def rounded(self) -> "SymbolNetwork":
        """The same with the weights and the arithmetic of the coder: whole numbers over powers of two, exact in float64."""
        twin = copy.deepcopy(self).double()
        for name, scale in _SCALES.items():
            parameter = getattr(twin, name)
            parameter.copy_((parameter * scale).round() / scale)
        twin.whole = True
        return twin


_SCALES = {
    **dict.fromkeys(("own", "side", "past", "near", "common", "budget"), 2**HIDDEN_SHIFT),
    "start": UNIT * 2**HIDDEN_SHIFT,
    **dict.fromkeys(("out", "out_common", "out_budget", "out_past", "out_near"), 2**OUT_SHIFT // UNIT),
    "out_start": 2**OUT_SHIFT,
}
"""How much of an integer 1 is, by array."""


class PlaceNetwork(nn.Module):
    """A hidden layer and a few outputs, each the place of a table: of the classes, and of the kinds of motion."""

    def __init__(self, inputs: int, tables: Tensor, outputs: int = 1, hidden: int = CLASS_HIDDEN) -> None:
        """`tables`: first logits [outputs or 2 (context, alone), tables, symbols]."""
        super().__init__()
        self.inner, self.outer = nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)
        nn.init.constant_(self.outer.bias, tables.shape[1] / 4)
        self.tables = nn.Parameter(tables)
        self.whole = False

    def places(self, inputs: Tensor) -> Tensor:
        """[B, outputs], from inputs of the coder."""
        return self.outer(_hidden(self.inner(inputs.to(self.outer.weight.dtype) / UNIT), self.whole))

    def costs(self) -> Tensor:
        """Bits of every symbol in every table."""
        return -self.tables.log_softmax(-1) / math.log(2)

    @torch.no_grad()
    def arrays(self, name: str) -> dict[str, Ints]:
        """Its parameters as arrays `name`_in, _start and _out."""
        start = _rounded(self.inner.bias * UNIT * 2**HIDDEN_SHIFT) + (1 << HIDDEN_SHIFT - 1)
        constant = _rounded(self.outer.bias[None] * 2**OUT_SHIFT) + (1 << OUT_SHIFT - 1)
        weights = _rounded(self.outer.weight.T * (2**OUT_SHIFT // UNIT))
        return {f"{name}_in": _rounded(self.inner.weight.T * 2**HIDDEN_SHIFT), f"{name}_start": start,
                f"{name}_out": np.concatenate((weights, constant))}  # fmt: skip

    @torch.no_grad()
    def rounded(self) -> "PlaceNetwork":
        """The same with the weights and the arithmetic of the coder; see `SymbolNetwork.rounded`."""
        twin = copy.deepcopy(self).double()
        inner, outer = 2**HIDDEN_SHIFT, 2**OUT_SHIFT
        scales = (inner, inner * UNIT, outer // UNIT, outer)
        for parameter, scale in zip((*twin.inner.parameters(), *twin.outer.parameters()), scales, strict=True):
            parameter.copy_((parameter * scale).round() / scale)
        twin.whole = True
        return twin


def class_network(plan: Plan) -> PlaceNetwork:
    """The network of the classes: a place counts quarters of a class at first."""
    distance = (torch.arange(CLASS_TABLES)[:, None] / 4 - torch.arange(plan.spec.classes)).abs()
    return PlaceNetwork(class_input_count(plan.spec.sides), -distance.expand(2, -1, -1).clone())


def class_bits(network: PlaceNetwork, labels: Labels) -> Tensor:
    """What every class costs, [B]."""
    places, label = network.places(labels.inputs)[:, 0], labels.label.long()
    with_context, alone = (interpolated(places, costs, label) for costs in network.costs())
    return torch.where(labels.alone > 0, alone, with_context)


def rows_at(places: Tensor, tables: int) -> Ints:
    """The tables at `places` of a rounded network."""
    return (places + 0.5).floor().clamp(0, tables - 1).long().cpu().numpy()


def interpolated(places: Tensor, costs: Tensor, symbols: Tensor) -> Tensor:
    """What symbols [...] cost at `places` [...] between two tables of `costs` [tables, symbols]."""
    count, width = costs.shape
    places = places.clamp(0, count - 1.001)
    low = places.detach().floor()
    share, at = places - low, low.long() * width + symbols
    flat = costs.reshape(-1)
    return (1 - share) * flat[at] + share * flat[at + width]


def counted(seen: Ints, mass: Ints, weight: float = 64.0) -> Ints:
    """Integer tables [K, A] from how often symbols were `seen`, and the network's own `mass` for `weight` more of them."""
    both = seen + weight * mass
    return np.maximum(1, np.rint(both / both.sum(1, keepdims=True) * TOTAL)).astype(np.int32)


def two_sided(costs: Sequence[Sequence[float]] | Ints) -> Ints:
    """Probabilities of symbols [K, 2*bound+1] from the costs of magnitudes [K, bound+1], signs included."""
    mass = 2.0 ** -np.asarray(costs, np.float64)
    both = np.concatenate((mass[:, :0:-1], mass), 1)
    return np.asarray(both / both.sum(1, keepdims=True))


def _hidden(sums: Tensor, whole: bool) -> Tensor:
    """Hidden values; with `whole` as the coder rounds them."""
    return ((sums * UNIT + 0.5).floor() / UNIT if whole else sums).clamp(0, _CEILING)


def _rounded(weights: Tensor) -> Ints:
    return weights.detach().double().round().to(torch.int32).cpu().numpy()
