"""From motion to the arrays of a `VectorModel`: a network for the kinds of tokens, weights and kernels of the mixture of vectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from vtc.entropy.coder import MAX_TOTAL
from vtc.entropy.static import PASSES
from vtc.entropy.stream import Ints, StreamSpec
from vtc.entropy.surroundings import grid_of
from vtc.entropy.vectors import (
    ALONE,
    FIRST,
    MOVES,
    NEAR,
    OTHER,
    RIGHT,
    SIGHT,
    STAYS,
    VectorModel,
    in_sight,
    kind_input_count,
    kind_inputs,
    kinds_of,
)
from vtc.training.context.loop import Effort, train
from vtc.training.context.networks import PlaceNetwork, counted, interpolated, rows_at
from vtc.training.context.runs import Run
from vtc.training.context.symbols import Progress

KIND_TABLES = 32
KERNEL = 1 << 10  # what a kernel sums to, about
MOST_WEIGHT = 240


@dataclass(frozen=True)
class Sight:
    """Tokens with what is in sight of them: `kind` [n], `vector` [n, 2], `number` [n] of their pass, uint8 `inputs` of the kinds, `kinds`
    [n, SIGHT] and `vectors` [n, SIGHT, 2]."""

    kind: Tensor
    vector: Tensor
    number: Tensor
    inputs: Tensor
    kinds: Tensor
    vectors: Tensor

    def of(self, index: Tensor) -> "Sight":
        """Some of them."""
        return Sight(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def look(runs: Sequence[Run]) -> Sight:
    """All tokens of all runs."""
    found: list[tuple[Ints, ...]] = []
    for run in runs:
        past = None
        for slice_ in run.motion.astype(np.int64):
            grid = grid_of(*slice_.shape[:2])
            kind, vectors = kinds_of(slice_, grid), grid.flat(slice_[..., 1:])
            known = np.full(grid.size, 3), np.zeros_like(vectors)
            before = kinds_of(past, grid), np.zeros_like(vectors) if past is None else grid.flat(past[..., 1:])
            for number, at in enumerate(grid.passes):
                kinds, seen = in_sight(grid, at, known, before)
                told = np.full(len(at), number)
                found.append((kind[at], vectors[at], told, kind_inputs(kinds, seen, number), kinds, seen))
                known[0][at], known[1][at] = kind[at], vectors[at]
            past = slice_
    small = (np.int8, np.int16, np.int8, np.uint8, np.int8, np.int16)
    return Sight(*(torch.from_numpy(np.concatenate(parts).astype(kind)) for parts, kind in zip(zip(*found), small, strict=True)))


class Mixture(nn.Module):
    """The mixture of vectors: parameters are logarithms of the arrays of `VectorModel`."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound
        self.weights = nn.Parameter(torch.zeros(3, len(PASSES), SIGHT))
        with torch.no_grad():
            self.weights[RIGHT] += 2
            self.weights[OTHER] -= 2
        self.floor_weight = nn.Parameter(torch.zeros(2))
        self.kernels = nn.Parameter(-torch.arange(2 * bound + 1.0).sqrt().expand(2, 2, -1).clone())
        self.floor = nn.Parameter(-0.5 * torch.arange(bound + 1.0).sqrt().expand(2, -1).clone())

    def mass(self) -> tuple[Tensor, Tensor]:
        """Kernels [2, 2, distance] and floors [2, magnitude] as probabilities of one value each."""
        double = torch.full((2 * self.bound + 1,), 2.0)
        double[0] = 1
        return tuple(logits.softmax(-1) / double[: logits.shape[-1]] for logits in (self.kernels, self.floor))  # type: ignore[return-value]

    def bits(self, tokens: Sight) -> Tensor:
        """What moving tokens cost, [B]."""
        kernels, floor = self.mass()
        vector, seen, moves = tokens.vector.long(), tokens.vectors.long(), tokens.kinds == MOVES
        part = (torch.arange(SIGHT) >= NEAR).long()
        total = torch.zeros(len(vector))
        how = torch.full(tokens.kinds.shape, FIRST)
        for axis in range(2):
            weights = self.weights[how, tokens.number.long()[:, None], torch.arange(SIGHT)].exp() * moves
            distance = (vector[:, axis, None] - seen[..., axis]).abs()
            least = self.floor_weight[axis].exp()
            chance = (weights * kernels[axis, part, distance]).sum(1) + least * floor[axis, vector[:, axis].abs()]
            total = total - torch.log2(chance / (weights.sum(1) + least))
            how = torch.where(seen[..., 0] == vector[:, None, 0], RIGHT, OTHER)
        return total

    @torch.no_grad()
    def arrays(self) -> dict[str, Ints]:
        """Its parameters as arrays of `VectorModel`: weights up to 240, such that no sum passes the coder's limit."""
        kernels, floor = (mass.double().numpy() for mass in self.mass())
        weights, least = self.weights.exp().double().numpy(), self.floor_weight.exp().double().numpy()
        scale = MOST_WEIGHT / max(weights.max(), least.max())
        scale *= min(1.0, 0.9 * MAX_TOTAL / KERNEL / (scale * (weights.max((0, 1)).sum() + least.max())))
        values = np.maximum(1, np.rint(floor * (least * scale)[:, None] * KERNEL))
        return {
            "weights": np.rint(weights * scale).astype(np.int32),
            "kernels": np.rint(kernels * KERNEL).astype(np.int32),
            "floor": values.astype(np.int32),
        }


def fit_vectors(spec: StreamSpec, runs: Sequence[Run], effort: Effort, progress: Progress) -> VectorModel:
    """Train the context model of the motion stream on `runs`."""
    tokens = look(runs)
    moving = torch.nonzero(tokens.kind == MOVES)[:, 0]
    torch.manual_seed(effort.seed)
    kinds, mixture = PlaceNetwork(kind_input_count(), _switches(), outputs=2), Mixture(spec.bound)

    def kind_loss(index: Tensor) -> Tensor:
        return _kind_bits(kinds, tokens.of(index)).mean()

    def vector_loss(index: Tensor) -> Tensor:
        return mixture.bits(tokens.of(moving[index])).mean()

    train(kinds, kind_loss, len(tokens.kind), 5e-3, effort.share(0.5), partial(progress, "motion"))
    if len(moving):
        train(mixture, vector_loss, len(moving), 2e-2, effort.share(0.5), partial(progress, "vectors"))
    return VectorModel(spec, {**kinds.arrays("kind"), "kind_counts": _kind_counts(kinds, tokens), **mixture.arrays()})


def _switches() -> Tensor:
    """Tables of a question: its probability rises from one to the next."""
    logit = (torch.arange(KIND_TABLES) - KIND_TABLES / 2 + 0.5) / 2.5
    return torch.stack((-logit / 2, logit / 2), -1).expand(2, -1, -1).clone()


def _kind_bits(network: PlaceNetwork, tokens: Sight) -> Tensor:
    """What the kinds of tokens cost, [B]."""
    places, costs = network.places(tokens.inputs), network.costs()
    alone, stays = (tokens.kind == ALONE).long(), (tokens.kind == STAYS).long()
    return interpolated(places[:, 0], costs[0], alone) + (1 - alone) * interpolated(places[:, 1], costs[1], stays)


@torch.no_grad()
def _kind_counts(network: PlaceNetwork, tokens: Sight) -> Ints:
    """Tables of "stands alone", then of "stays"."""
    mass = 2.0 ** -network.costs().double().numpy()
    seen = np.zeros_like(mass)
    rows = rows_at(network.rounded().places(tokens.inputs), KIND_TABLES)
    kind = tokens.kind.numpy()
    np.add.at(seen[0], (rows[:, 0], (kind == ALONE).astype(np.int64)), 1)
    told = kind != ALONE
    np.add.at(seen[1], (rows[told, 1], (kind[told] == STAYS).astype(np.int64)), 1)
    return counted(seen.reshape(-1, 2), mass.reshape(-1, 2))
