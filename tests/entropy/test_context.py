import hashlib
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vtc.entropy import ContextModel, RangeWriter, Tables, VectorModel
from vtc.entropy.exact import EXACT
from vtc.entropy.stream import Ints
from vtc.entropy.surroundings import Past
from vtc.errors import BundleError, DamageError, VtcError

from .networks import MOTION, SPEC, Reference, clip, context_arrays, steps, vector_arrays
from .samples import GOLDEN

shapes = st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(1, 5))


@pytest.fixture(scope="module")
def model() -> ContextModel:
    return ContextModel(SPEC, context_arrays())


@pytest.fixture(scope="module")
def mover() -> VectorModel:
    return VectorModel(MOTION, vector_arrays())


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(0, 1000), st.sampled_from(["real", "zero", "extreme"]), st.booleans())
def test_round_trip(model: ContextModel, shape: tuple[int, int, int], seed: int, kind: str, lean: bool) -> None:
    symbols, side, motion = clip(seed, shape)
    if kind == "zero":
        symbols = np.zeros_like(symbols)
    elif kind == "extreme":
        symbols = np.sign(symbols) * SPEC.bound
    past = None
    if lean:
        earlier = clip(seed + 7, (2, *shape[1:]))
        past = model.follow(earlier[0], earlier[1], earlier[2][..., 1:], None, steps(earlier[0], 0.5))
    own = steps(symbols, 0.5) / (1 + seed % 3 * (side & 1)).astype(np.float32)  # one for all, or some that are finer
    known = side, motion[..., 1:], past, own
    data = model.encode(symbols, *known)
    decoded = model.decode(data, shape, *known)
    assert decoded.dtype == np.int32 and np.array_equal(decoded, symbols)
    assert model.encode(np.asfortranarray(symbols.astype(np.int16)), *known) == data


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(0, 1000), st.booleans())
def test_motion_round_trip(mover: VectorModel, shape: tuple[int, int, int], seed: int, lean: bool) -> None:
    motion = clip(seed, shape)[2]
    before = clip(seed + 1, (1, *shape[1:]))[2][0] if lean else None
    decoded = mover.decode(mover.encode(motion, before), shape, before)
    assert decoded.dtype == np.int32 and np.array_equal(decoded, motion)


@pytest.mark.parametrize("seed", range(4))
def test_tables_are_those_of_the_reference_in_pure_integers(
    model: ContextModel, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """float32 in arrays against Python's integers token by token, written from the description of the format."""
    rows: dict[int, list[int]] = {id(model.classes): [], id(model.tables): []}
    put = RangeWriter.put

    def noting(self: RangeWriter, symbols: Ints, which: Ints, tables: Tables) -> None:
        rows[id(tables)] += which.tolist()
        put(self, symbols, which, tables)

    monkeypatch.setattr(RangeWriter, "put", noting)
    symbols, side, motion = clip(seed * 31)
    model.encode(symbols, side, motion[..., 1:], None, steps(symbols))
    classes, tables = Reference(context_arrays()).segment(symbols, side, motion[..., 1:])
    assert len(tables) > 300 and len(set(tables)) > 3 and len(set(classes)) > 3
    assert rows[id(model.classes)] == classes
    assert rows[id(model.tables)] == tables


def test_sums_as_large_as_they_may_be_are_exact(model: ContextModel) -> None:
    """Weights scaled until just below the limit: float32 gives what int64 gives, in any order of the inputs."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-400, 400, (1264, 96))
    weights[:, 0] = np.abs(weights[:, 0])
    weights = (weights * ((EXACT - 1) / 208 / np.abs(weights).sum(0).max())).astype(np.int64)
    inputs = rng.integers(0, 209, (300, 1264))
    inputs[0] = 208
    order = rng.permutation(1264)
    exact = inputs @ weights
    for kind in (np.float32, np.float64):
        for at in (slice(None), order):
            assert np.array_equal(inputs[:, at].astype(kind) @ weights[at].astype(kind), exact)


def test_a_state_is_told_in_the_steps_of_the_tokens_that_look_for_it() -> None:
    state = np.arange(-4, 4).reshape(2, 2, 2)
    labels = np.zeros((2, 2), np.uint8)
    past = Past(state, labels, labels, np.array([[1.0, 0.5], [0.25, 1.0]], np.float32))
    moved = past.moved(np.zeros((2, 2, 2), int), np.full(2, 16), np.array([[0.5, 0.5], [0.5, 1.0]], np.float32))
    assert moved.state.tolist() == [[[-8, -6], [-2, -1]], [[0, 0], [2, 3]]]  # halves go to the even number
    assert np.array_equal(moved.then(np.ones_like(state), labels, labels).state, moved.state + 1)


def test_threads_batches_and_order_do_not_matter(model: ContextModel, mover: VectorModel) -> None:
    symbols, side, motion = clip(3, (4, 6, 7))

    def coded(_: int) -> bytes:
        structural = model.encode(symbols, side, motion[..., 1:], None, steps(symbols))
        return hashlib.sha256(structural + mover.encode(motion)).digest()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(coded, range(32)))) == 1
    # A segment in parts that lean on each other holds the same symbols, whatever is coded in between.
    first = model.follow(symbols[:2], side[:2], motion[:2, ..., 1:], None, steps(symbols[:2]))
    other = clip(8, (4, 6, 7))
    model.encode(other[0], other[1], other[2][..., 1:], None, steps(other[0]))
    known = side[2:], motion[2:, ..., 1:], first, steps(symbols[2:])
    assert np.array_equal(model.decode(model.encode(symbols[2:], *known), (2, 6, 7), *known), symbols[2:])


def test_golden_bytes(model: ContextModel, mover: VectorModel) -> None:
    symbols, side, motion = clip(5)
    golden = json.loads((GOLDEN / "context.json").read_text())
    past = model.follow(symbols, side, motion[..., 1:], None, steps(symbols))
    known = side, motion[..., 1:]
    assert model.encode(symbols, *known, None, steps(symbols)).hex() == golden["alone"]
    assert model.encode(symbols, *known, past, steps(symbols, 0.5)).hex() == golden["leaning"]
    assert mover.encode(motion).hex() == golden["motion"]
    assert mover.encode(motion, motion[2]).hex() == golden["motion_leaning"]
    assert np.array_equal(model.decode(bytes.fromhex(golden["leaning"]), symbols.shape[:3], *known, past, steps(symbols, 0.5)), symbols)
    assert np.array_equal(mover.decode(bytes.fromhex(golden["motion_leaning"]), motion.shape[:3], motion[2]), motion)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_is_an_error_or_symbols_of_the_shape_in_bounds(
    model: ContextModel, mover: VectorModel, data: st.DataObject
) -> None:
    symbols, side, motion = clip(2, (2, 3, 3))
    known = side, motion[..., 1:], None, steps(symbols)
    good = model.encode(symbols, *known) if data.draw(st.booleans()) else mover.encode(motion)
    kind = data.draw(st.sampled_from(["flip", "cut", "noise"]))
    if kind == "flip":
        place = data.draw(st.integers(0, len(good) * 8 - 1))
        bad = bytearray(good)
        bad[place // 8] ^= 1 << place % 8
    elif kind == "cut":
        bad = bytearray(good[: data.draw(st.integers(0, len(good)))])
    else:
        bad = bytearray(data.draw(st.binary(max_size=200)))
    for decode, spec in (
        (lambda: model.decode(bytes(bad), symbols.shape[:3], *known), SPEC),
        (lambda: mover.decode(bytes(bad), symbols.shape[:3]), MOTION),
    ):
        try:
            out = decode()
        except DamageError:
            continue
        assert out.shape == (*symbols.shape[:3], spec.channels) and np.abs(out).max() <= spec.bound


@pytest.mark.parametrize("name", ContextModel.ARRAYS)
def test_hostile_arrays_are_refused(name: str) -> None:
    arrays = context_arrays()
    array = arrays[name]
    broken = [{k: v for k, v in arrays.items() if k != name}, {**arrays, name: array[..., :-1]}, {**arrays, name: array[:0]}]
    broken += [{**arrays, name: array / 2}, {**arrays, name: array + (1 << 24)}, {**arrays, "more": array}]
    for bad in broken:
        with pytest.raises(BundleError):
            ContextModel(SPEC, bad)


@pytest.mark.parametrize("name", VectorModel.ARRAYS)
def test_hostile_arrays_of_motion_are_refused(name: str) -> None:
    arrays = vector_arrays()
    array = arrays[name]
    broken = [{k: v for k, v in arrays.items() if k != name}, {**arrays, name: array[..., :-1]}, {**arrays, name: array[:0]}]
    broken += [{**arrays, name: array + (1 << 24)}, {**arrays, name: array - (1 << 24)}]
    broken += [{**arrays, name: array / 2}] if name != "kind_counts" else []
    for bad in broken:
        with pytest.raises(BundleError):
            VectorModel(MOTION, bad)


def test_misuse_is_an_error_for_people(model: ContextModel, mover: VectorModel) -> None:
    symbols, side, motion = clip(1)
    vectors, own = motion[..., 1:], steps(symbols)
    calls = [
        lambda: model.encode(symbols * 100, side, vectors, None, own),
        lambda: model.encode(symbols[..., :-1], side, vectors, None, own),
        lambda: model.encode(symbols, side + 4, vectors, None, own),
        lambda: model.encode(symbols, side[:1], vectors, None, own),
        lambda: model.encode(symbols, side, motion, None, own),
        lambda: model.decode(b"", (4, 1 << 20, 1 << 20), side, vectors, None, own),
        lambda: model.encode(symbols, side, vectors, None, own[:1]),
        lambda: mover.encode(motion + 2),
        lambda: mover.encode(motion * 50),
        lambda: mover.decode(b"", (4, 1 << 20, 1 << 20)),
    ]
    for call in calls:
        with pytest.raises(VtcError):
            call()
