"""From tokens to the arrays of a `ContextModel`: plan, networks, tables."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch

from vtc.entropy import StaticModel
from vtc.entropy.context import ContextModel
from vtc.entropy.stream import Ints
from vtc.training.context.features import Labels, Plan, Tokens, fit_prediction, gather
from vtc.training.context.loop import Effort, train
from vtc.training.context.networks import (
    PlaceNetwork,
    SymbolNetwork,
    class_bits,
    class_network,
    counted,
    rows_at,
    two_sided,
)
from vtc.training.context.runs import Run

GROUPS = (0.02, 0.05, 0.1, 0.16, 0.24, 0.34, 0.46, 0.6, 0.78, 1.0)
"""Where groups of channels end: the first ones tell most of those that follow."""
PASSES = (4, 2)
"""Of the first groups; the others have one."""
COUNTED = 40_000
"""Tokens that the tables are counted on."""
EVEN = 60.0
"""Bits added to a token's when its loss is divided by them, so that small ones count without ruling."""


Progress = Callable[[str, float, int, float], None]
"""Called with (what is trained, position in [0, 1], step, loss in bits)."""


def plan_of(static: StaticModel, keep: Ints) -> Plan:
    """The plan of a context model that goes with a static one. `keep` [C]: how much of a state lasts, in 1/16."""
    channels = static.spec.channels
    edges = sorted({0, *(max(1, round(share * channels)) for share in GROUPS)})
    passes = (*PASSES, *(1,) * len(edges))[: len(edges) - 1]
    return Plan(static.spec, static.thresholds, tuple(edges), passes, keep)


def fit_symbols(plan: Plan, runs: Sequence[Run], effort: Effort, progress: Progress) -> ContextModel:
    """Train the context model of the structural stream on `runs`."""
    predict = fit_prediction(plan, runs)
    tokens, labels = gather(plan, predict, runs)
    torch.manual_seed(effort.seed)
    network, classes = SymbolNetwork(plan), class_network(plan)

    def symbol_loss(index: torch.Tensor) -> torch.Tensor:
        network.hold()
        bits = network.bits(tokens.batch(index)).sum(1)
        weight = 1 / (bits.detach() + EVEN)
        return (bits * weight).sum() / weight.sum()

    def class_loss(index: torch.Tensor) -> torch.Tensor:
        part = Labels(*(getattr(labels, name)[index] for name in ("inputs", "alone", "label")))
        return class_bits(classes, part).mean()

    train(network, symbol_loss, len(tokens), 4e-3, effort.share(0.9), partial(progress, "symbols"))
    train(classes, class_loss, len(labels.label), 4e-3, effort.share(0.1), partial(progress, "classes"))
    arrays = {"thresholds": plan.thresholds, "edges": np.asarray(plan.edges), "passes": np.asarray(plan.passes), "keep": plan.keep}
    arrays |= {"predict": predict, **network.arrays(), **classes.arrays("class")}
    arrays["class_out"] = arrays["class_out"][:, 0]
    arrays["counts"] = _symbol_counts(network, tokens)
    arrays["class_counts"] = _class_counts(classes, labels)
    return ContextModel(plan.spec, arrays)


@torch.no_grad()
def _symbol_counts(network: SymbolNetwork, tokens: Tokens) -> Ints:
    """Tables of the symbols as they fell on what the coder will pick, the same for both signs."""
    twin, bound = network.rounded(), network.plan.spec.bound
    mass = two_sided(network.costs().numpy())
    seen = np.zeros_like(mass)
    for index in torch.arange(0, len(tokens), -(-len(tokens) // COUNTED)).split(1024):
        part = tokens.batch(index)
        rows, symbols = rows_at(twin.places(part), len(mass)), part.rest.numpy().astype(np.int64) + bound
        np.add.at(seen, (rows, symbols), 1)
    return counted(seen + seen[:, ::-1], mass)


@torch.no_grad()
def _class_counts(network: PlaceNetwork, labels: Labels) -> Ints:
    """Tables of the classes, those of tokens with a context first."""
    mass = 2.0 ** -network.costs().double().numpy()
    seen = np.zeros_like(mass)
    places = network.rounded().places(labels.inputs)[:, 0]
    np.add.at(seen, (labels.alone.numpy(), rows_at(places, mass.shape[1]), labels.label.numpy()), 1)
    return counted(seen.reshape(-1, seen.shape[2]), mass.reshape(-1, seen.shape[2]))
