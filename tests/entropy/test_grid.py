import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.entropy import PackedModel, StaticModel, StreamSpec, Tables, fit_grid
from vtc.entropy.static import PASSES, class_contexts
from vtc.errors import BundleError, DamageError, UsageError, VtcError

from .samples import FLAT, GOLDEN, GRID, grid

shapes = st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 5))


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(0, 1000), st.sampled_from(["real", "zero", "extreme"]), st.booleans())
def test_round_trip(
    grid_model: StaticModel, flat_model: StaticModel, shape: tuple[int, int, int], seed: int, kind: str, lean: bool
) -> None:
    for model in (grid_model, flat_model, PackedModel(GRID), PackedModel(FLAT)):
        spec = model.spec
        symbols, side = grid(seed, spec, shape)
        if kind == "zero":
            symbols = np.zeros_like(symbols)
        elif kind == "extreme":
            symbols = np.random.default_rng(seed).choice([-spec.bound, spec.bound], symbols.shape).astype(np.int32)
        before = grid(seed + 1, spec, (1, *shape[1:]))[0][0] if lean else None
        data = model.encode(symbols, side, before)
        decoded = model.decode(data, shape, side, before)
        assert decoded.dtype == np.int32 and np.array_equal(decoded, symbols)
        if isinstance(model, StaticModel):
            assert len(data) * 8 <= sum(model.cost_bits(symbols, side, before)) * 1.001 + 16


def test_dtype_and_memory_order_do_not_matter(grid_model: StaticModel) -> None:
    symbols, side = grid(3)
    wanted = grid_model.encode(symbols, side)
    assert grid_model.encode(symbols.astype(np.int8), side.astype(np.uint8)) == wanted
    assert grid_model.encode(np.asfortranarray(symbols), np.asfortranarray(side)) == wanted


def test_a_decoder_is_never_asked_for_what_it_cannot_know() -> None:
    """Contexts must be the same when everything that is coded later is unknown."""
    labels = np.random.default_rng(0).integers(0, 9, (5, 6))
    past = np.random.default_rng(1).integers(0, 9, (5, 6))
    seen = np.zeros_like(labels)
    steps = zip(class_contexts(labels, past, 9), class_contexts(seen, past, 9), strict=True)
    covered = np.zeros_like(labels)
    for (at, _, before, around), (at2, _, before2, around2) in steps:
        assert at == at2 and np.array_equal(before, before2) and np.array_equal(around, around2)
        seen[at] = labels[at]
        covered[at] += 1
    assert (covered == 1).all() and len(PASSES) == 4


def test_static_beats_packed_and_comes_near_the_entropy_of_the_samples(grid_model: StaticModel) -> None:
    """Clips that were not fitted, against the ideal tables by class and channel fitted on those very clips."""
    coded = packed = ideal = 0.0
    clips = [grid(seed) for seed in range(100, 106)]
    for symbols, side in clips:
        coded += 8 * len(grid_model.encode(symbols, side))
        packed += 8 * len(PackedModel(GRID).encode(symbols))
    labels = np.concatenate([grid_model.labels(z).ravel() for z, _ in clips])
    tokens = np.concatenate([z.reshape(-1, GRID.channels) for z, _ in clips])
    for label in np.unique(labels):
        for column in tokens[labels == label].T:
            share = np.unique(column, return_counts=True)[1] / len(column)
            ideal -= float((share * np.log2(share)).sum() * len(column))
    assert coded < 0.5 * packed
    assert coded < 1.2 * ideal, f"{coded:.0f} bits, ideal without classes {ideal:.0f}"


def test_the_slice_before_and_the_side_help(grid_model: StaticModel) -> None:
    symbols, side = grid(50)
    plain = sum(grid_model.cost_bits(symbols[1:], side[1:]))
    assert sum(grid_model.cost_bits(symbols[1:], side[1:], symbols[0])) < plain
    assert plain < sum(grid_model.cost_bits(symbols[1:], 1 - side[1:]))


def test_bit_table_is_what_coding_costs(grid_model: StaticModel) -> None:
    symbols, side = grid(7)
    bits, rows = grid_model.bit_table()
    assert bits.shape[1] == GRID.alphabet and rows.shape == (GRID.sides, GRID.classes, GRID.channels)
    labels = grid_model.labels(symbols)
    coded = labels > 0
    total = bits[rows[side[coded], labels[coded]], symbols[coded] + GRID.bound].sum()
    assert total == pytest.approx(grid_model.cost_bits(symbols, side)[1], rel=1e-4)
    assert bits.max() < 24
    assert grid_model.class_bits().shape == (GRID.sides, GRID.classes) and (grid_model.class_bits() > 0).all()


def test_arrays_keep_the_model(grid_model: StaticModel, flat_model: StaticModel) -> None:
    for model in (grid_model, flat_model):
        again = StaticModel.from_arrays(model.spec, model.to_arrays())
        symbols, side = grid(9, model.spec)
        assert again.encode(symbols, side) == model.encode(symbols, side)


def test_arrays_that_do_not_fit_are_refused(grid_model: StaticModel) -> None:
    arrays = grid_model.to_arrays()
    for name, array in arrays.items():
        broken = [{k: v for k, v in arrays.items() if k != name}, {**arrays, name: array[..., :-1]}]
        broken.append({**arrays, name: array[:0]})
        if name.endswith("_rows"):
            broken.append({**arrays, name: array + 1000})
        if name.endswith("_counts"):
            broken.append({**arrays, name: array * 0})
        if name == "thresholds":
            broken.append({**arrays, name: array[::-1].copy()})
        for bad in broken:
            with pytest.raises(BundleError):
                StaticModel.from_arrays(GRID, bad)
    with pytest.raises(BundleError):
        StaticModel.from_arrays(GRID, {**arrays, "more": arrays["thresholds"]})


def golden_model() -> StaticModel:
    """A model of integers by integer arithmetic alone, so that it is the same for ever."""
    spec = StreamSpec("golden", channels=3, bound=4, classes=4, sides=2)
    row, symbol = np.meshgrid(np.arange(6), np.arange(9), indexing="ij")
    rows = np.arange(2 * 4 * 5 * 5).reshape(2, 4, 5, 5) * 7 % 5
    return StaticModel(
        spec,
        symbol_counts=1 + 5000 // (1 + np.abs(symbol - 4) * (6 - row)),
        symbol_rows=np.arange(24).reshape(2, 4, 3) % 6,
        thresholds=np.array([1, 3, 6]),
        class_counts=1 + (np.arange(20).reshape(5, 4) * 37) % 50,
        class_rows=rows,
        class_bits=np.zeros((2, 4)),
    )


def test_golden_bytes() -> None:
    i = np.arange(3 * 5 * 4 * 3)
    symbols = np.where(i % 7 < 4, 0, i * i * 5 % 9 - 4).reshape(3, 5, 4, 3)
    symbols[1, :2] = 0
    side = (np.arange(60) % 3 // 2).reshape(3, 5, 4)
    golden = json.loads((GOLDEN / "grid.json").read_text())
    model = golden_model()
    assert model.encode(symbols, side).hex() == golden["alone"]
    assert model.encode(symbols, side, symbols[2]).hex() == golden["leaning"]
    assert PackedModel(model.spec).encode(symbols).hex() == golden["packed"]
    assert np.array_equal(model.decode(bytes.fromhex(golden["leaning"]), (3, 5, 4), side, symbols[2]), symbols)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_symbols_of_the_shape_in_bounds(grid_model: StaticModel, data: st.DataObject) -> None:
    symbols, side = grid(2, shape=(2, 4, 4))
    kind = data.draw(st.sampled_from(["flip", "cut", "noise"]))
    for model in (grid_model, PackedModel(GRID)):
        good = model.encode(symbols, side)
        if kind == "flip":
            place = data.draw(st.integers(0, len(good) * 8 - 1))
            bad = bytearray(good)
            bad[place // 8] ^= 1 << place % 8
        elif kind == "cut":
            bad = bytearray(good[: data.draw(st.integers(0, len(good)))])
        else:
            bad = bytearray(data.draw(st.binary(max_size=200)))
        try:
            out = model.decode(bytes(bad), (2, 4, 4), side)
        except DamageError:
            continue
        assert out.shape == symbols.shape and np.abs(out).max() <= GRID.bound


def test_misuse_is_an_error_for_people(grid_model: StaticModel) -> None:
    symbols, side = grid(1)
    calls = [
        lambda: grid_model.encode(symbols * 100, side),
        lambda: grid_model.encode(symbols[..., :-1], side),
        lambda: grid_model.encode(symbols, side + 2),
        lambda: grid_model.encode(symbols, side[:1]),
        lambda: grid_model.encode(symbols, side, symbols[0, :1]),
        lambda: grid_model.decode(b"", (4, 1 << 20, 1 << 20)),
        lambda: grid_model.decode(b"", (-1, 2, 2)),
        lambda: PackedModel(GRID).decode(b"", (4, 1 << 20, 1 << 20)),
        lambda: grid_model.encode_sequence(symbols[0], [1] * 8),
        lambda: fit_grid(GRID, []),
        lambda: fit_grid(GRID, [(symbols[0], None)]),
        lambda: StreamSpec("a", 1, 1, "tree"),  # type: ignore[arg-type]
        lambda: StreamSpec("a", 1, 0),
        lambda: StreamSpec("a", 0, 1),
        lambda: StreamSpec("a", 1, 1, "sequence", classes=3),
    ]
    for call in calls:
        with pytest.raises(VtcError):
            call()
    with pytest.raises(UsageError, match="clamp"):
        PackedModel(GRID).encode(symbols * 100)


def test_threads_give_the_same_bytes(grid_model: StaticModel) -> None:
    symbols, side = grid(4)
    with ThreadPoolExecutor(8) as pool:
        coded = list(pool.map(lambda _: hashlib.sha256(grid_model.encode(symbols, side)).digest(), range(32)))
    assert len(set(coded)) == 1


def test_speed() -> None:
    """A slice of 320x240 is 300 tokens of 320 channels; 10 slices a second are to take well under a tenth of a core."""
    spec = StreamSpec("big", 320, 127, classes=18)
    clip = grid(0, spec, (8, 15, 20))
    model = fit_grid(spec, [clip])
    assert isinstance(model.symbols, Tables)
    best = {"encode": 9.0, "decode": 9.0}
    for _ in range(3):
        start = time.process_time()
        data = model.encode(clip[0])
        middle = time.process_time()
        model.decode(data, (8, 15, 20))
        best["encode"] = min(best["encode"], (middle - start) / 8)
        best["decode"] = min(best["decode"], (time.process_time() - middle) / 8)
    print({name: f"{seconds * 1e3:.1f} ms a slice of 320x240" for name, seconds in best.items()})
    assert max(best.values()) < 0.03
