"""Networks of the context profile: what is trained in floats is what the coder computes in whole numbers."""

import numpy as np
import pytest
import torch

from tests.entropy.networks import EDGES, PASSES, SPEC, THRESHOLDS, clip, steps
from vtc.entropy import ContextModel, RangeWriter, Tables
from vtc.entropy.stream import Ints
from vtc.training.context.features import Plan, fit_prediction, gather
from vtc.training.context.loop import Effort
from vtc.training.context.networks import SymbolNetwork, class_network, rows_at
from vtc.training.context.runs import Run
from vtc.training.context.symbols import fit_symbols

PLAN = Plan(SPEC, np.array(THRESHOLDS), tuple(EDGES), tuple(PASSES), np.full(SPEC.channels, 12, np.int32))


def run(seed: int, slices: int = 6) -> Run:
    symbols, side, motion = clip(seed, (slices, 5, 6))
    return Run(motion.astype(np.int16), symbols.astype(np.int16), side.astype(np.uint8), steps(symbols, 0.5))


def test_the_coder_picks_the_tables_that_training_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    one = run(4)
    model = fit_symbols(PLAN, [one, run(6)], Effort(0, 40, batch=64), lambda *_: None)
    torch.manual_seed(0)
    network, classes = SymbolNetwork(PLAN, hidden=9, tables=len(model.tables)), class_network(PLAN)
    for name, parameter in (*network.named_parameters(), *classes.named_parameters()):
        parameter.data.add_(torch.randn_like(parameter), alpha=4.0 if name.startswith("out") else 0.2)
    arrays = {**model.arrays, **network.arrays(), **classes.arrays("class")}
    arrays["class_out"] = arrays["class_out"][:, 0]
    model = ContextModel(SPEC, arrays)
    tokens, labels = gather(PLAN, np.asarray(arrays["predict"]), [one])
    seen: dict[int, list[Ints]] = {id(model.tables): [], id(model.classes): []}

    def noting(self: RangeWriter, symbols: Ints, which: Ints, tables: Tables) -> None:
        seen[id(tables)].append(np.stack((which, symbols)))

    monkeypatch.setattr(RangeWriter, "put", noting)
    model.encode(one.structural, one.side, one.vectors, None, one.steps)
    with torch.no_grad():
        rows = rows_at(network.rounded().places(tokens), len(model.tables))
        label_rows = rows_at(classes.rounded().places(labels.inputs)[:, 0], len(model.classes) // 2)
    label_rows = label_rows + len(model.classes) // 2 * labels.alone.numpy()
    assert len(np.unique(rows)) > 5 and len(np.unique(label_rows)) > 5
    for table, which, symbols in (
        (model.tables, rows.ravel(), tokens.rest.numpy().ravel() + SPEC.bound),
        (model.classes, label_rows, labels.label.numpy()),
    ):
        coded = np.concatenate(seen[id(table)], 1)
        assert sorted(map(tuple, coded.T.tolist())) == sorted(zip(which.tolist(), symbols.tolist(), strict=True))


def test_weights_that_have_grown_are_held_where_sums_are_exact() -> None:
    arrays = dict(fit_symbols(PLAN, [run(4)], Effort(0, 2, batch=16), lambda *_: None).arrays)
    network = SymbolNetwork(PLAN)
    with torch.no_grad():
        for name in ("own", "side", "past", "near", "common", "budget"):
            getattr(network, name).mul_(3000)
    network.hold()
    ContextModel(SPEC, {**arrays, **network.arrays()})


def test_training_lowers_the_bits() -> None:
    runs = [run(seed) for seed in range(0, 12, 2)]
    losses: list[float] = []
    fit_symbols(PLAN, runs, Effort(0, 300, batch=64), lambda what, _, __, loss: losses.append(loss) if what == "symbols" else None)
    assert losses[-1] < 0.9 * losses[0]


def test_prediction_finds_a_picture_that_stays() -> None:
    """Tokens that stand alone and repeat the slice before are foretold by it."""
    still = run(8)
    structural = np.repeat(np.clip(still.structural[:1] * 3, -9, 9), 4, 0)
    alone = np.ones(structural.shape[:3], np.uint8)
    plan = Plan(SPEC, np.array(THRESHOLDS), tuple(EDGES), tuple(PASSES), np.full(SPEC.channels, 16, np.int32))
    lasting = Run(np.zeros((*structural.shape[:3], 3), np.int16), structural, alone, steps(structural, 0.5))
    tokens, _ = gather(plan, fit_prediction(plan, [lasting]), [lasting])
    count = len(tokens) // 4
    first = np.abs(tokens.rest.numpy()[:, : EDGES[1]])
    assert first[count:].mean() < 0.2 * first[:count].mean()
