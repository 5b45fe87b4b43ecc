"""The `context` profile of motion: whether a token stands alone, whether it stays, and else its vector from those around it.

Tokens are (reference, dy, dx). They are coded in the four passes of `static.PASSES`. A small network of whole numbers (exact.py)
picks tables for the two questions. A vector's distribution is a mixture: every vector in sight (neighbours in space that are
coded already, the same place and its neighbours one slice before) puts a kernel of its weight around itself; for dx, the
weights are other ones where a vector's dy was right.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vtc.entropy.coder import MAX_TOTAL, RangeReader, RangeWriter, Tables
from vtc.entropy.exact import HIDDEN_MOST, UNIT, Whole, demand_exact, hidden, picked, reach, whole
from vtc.entropy.static import PASSES
from vtc.entropy.stream import Ints, StreamSpec, check_grid, checked_size
from vtc.entropy.surroundings import Grid, grid_of
from vtc.errors import BundleError, UsageError

STAYS, ALONE, MOVES, ABSENT = 0, 1, 2, 3
NEAR, SIGHT = 8, 17  # neighbours in space; with the same place and its neighbours one slice before: all vectors in sight
FIRST, OTHER, RIGHT = 0, 1, 2  # weights for dy, and for dx of vectors whose dy was not, or was, the one coded


class VectorModel:
    """The tables of a stream of three channels. Its arrays, all of integers:

    kind_in [inputs, J], kind_start [J], kind_out [J+1, 2]: the network, its last weights the constants; kind_counts [2 Q, 2]: Q tables of
    "stands alone", then Q of "stays". weights [3, passes, SIGHT]; kernels [2 (dy, dx), 2 (now, before), 2*bound+1] by distance;
    floor [2, bound+1] by magnitude. BundleError when they do not fit, or a mixture could total more than 2**22.
    """

    ARRAYS = ("kind_in", "kind_start", "kind_out", "kind_counts", "weights", "kernels", "floor")

    def __init__(self, spec: StreamSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        if set(arrays) != set(self.ARRAYS):
            raise BundleError(f"context tables of stream {spec.name}: found {', '.join(sorted(arrays)) or 'none'}")
        if spec.kind != "grid" or spec.channels != 3:
            raise BundleError(f"stream {spec.name} is not one of vectors")
        self.spec, self.arrays = spec, dict(arrays)

        def take(name: str, *shape: int) -> Whole:
            return whole(arrays[name], f"{spec.name}.{name}", *shape)

        self.kind_in = take("kind_in", kind_input_count(), -1)
        self.kind_start = take("kind_start", self.kind_in.shape[1])
        self.kind_out = take("kind_out", self.kind_in.shape[1] + 1, 2)
        self.kinds = Tables(arrays["kind_counts"])
        if self.kinds.counts.shape[1] != 2 or len(self.kinds) % 2:
            raise BundleError(f"context tables of stream {spec.name}: kind_counts does not fit")
        demand_exact(reach(self.kind_in) + np.abs(self.kind_start), f"{spec.name}.kind_in")
        demand_exact(reach(self.kind_out[:-1], HIDDEN_MOST) + np.abs(self.kind_out[-1]), f"{spec.name}.kind_out")
        self.weights = take("weights", 3, len(PASSES), SIGHT)
        kernels, floor = take("kernels", 2, 2, 2 * spec.bound + 1), take("floor", 2, spec.bound + 1)
        if min(self.weights.min(), kernels.min()) < 0 or floor.min() < 1:
            raise BundleError(f"context tables of stream {spec.name}: a weight is below what it must be")
        values = np.arange(-spec.bound, spec.bound + 1)
        self.spread = kernels[:, :, np.abs(values[:, None] - values)].reshape(2, 2 * len(values), len(values))  # [2, 2 A, A]
        self.floor = floor[:, np.abs(values)]
        most = self.weights.max((0, 1)).sum() * self.spread.sum(-1).max() + self.floor.sum(-1).max()
        if most > MAX_TOTAL:
            raise BundleError(f"context tables of stream {spec.name}: a mixture could total more than 2**22")

    def encode(self, symbols: Ints, before: Ints | None = None) -> bytes:
        """A grid [S, H, W, 3] to bytes. `before`: [H, W, 3], the last slice of the segment that this one leans on, or None.
        UsageError for what the base layer cannot mean: other references than 0 and 1, or a token that stands alone and moves."""
        self._check(check_grid(symbols, self.spec))
        writer = RangeWriter()
        past = before
        for slice_ in symbols:
            coding = _Slice(self, past, slice_.shape[:2])
            kind, vectors = kinds_of(slice_, coding.grid), coding.grid.flat(slice_[..., 1:].astype(np.int64))
            for number, at in enumerate(coding.grid.passes):
                alone, stays = coding.kind_rows(number)
                writer.put(kind[at] == ALONE, alone, self.kinds)
                told = kind[at] != ALONE
                writer.put(kind[at][told] == STAYS, stays[told], self.kinds)
                moving = at[kind[at] == MOVES]
                for axis in range(2):
                    counts = coding.counts(number, moving, axis, vectors[moving, :axis])
                    writer.put_each(vectors[moving, axis] + self.spec.bound, counts)
                coding.kind[at], coding.vectors[at] = kind[at], vectors[at]
            past = slice_
        return writer.finish()

    def decode(self, data: bytes, shape: Sequence[int], before: Ints | None = None) -> npt.NDArray[np.int32]:
        """The grid [S, H, W, 3] of shape (S, H, W) from bytes. DamageError when no writer could have written them."""
        checked_size((*shape, self.spec.channels), self.spec)
        symbols = np.zeros((*shape, 3), np.int32)
        reader = RangeReader(data)
        past = before
        for t in range(shape[0]):
            coding = _Slice(self, past, tuple(shape[1:]))
            for number, at in enumerate(coding.grid.passes):
                alone, stays = coding.kind_rows(number)
                kind = np.where(reader.get(alone, self.kinds) > 0, ALONE, MOVES)
                told = kind != ALONE
                kind[told] = np.where(reader.get(stays[told], self.kinds) > 0, STAYS, MOVES)
                moving = at[kind == MOVES]
                found = np.zeros((len(moving), 2), np.int64)
                for axis in range(2):
                    counts = coding.counts(number, moving, axis, found[:, :axis])
                    found[:, axis] = reader.get_each(counts) - self.spec.bound
                coding.kind[at], coding.vectors[moving] = kind, found
            symbols[t, ..., 0] = coding.grid.square(coding.kind) == ALONE
            symbols[t, ..., 1:] = coding.grid.square(coding.vectors)
            past = symbols[t]
        return symbols

    def _check(self, symbols: Ints) -> None:
        known = ((symbols[..., 0] == 0) | (symbols[..., 0] == 1)).all() and not symbols[symbols[..., 0] == 1, 1:].any()
        if not known or (symbols.size and int(np.abs(symbols).max()) > self.spec.bound):
            raise UsageError(f"stream {self.spec.name} holds no motion of a base layer", "code it by another profile")


class _Slice:
    """A slice on its way: what is coded already of `kind` [size] and `vectors` [size, 2], and the slice before."""

    def __init__(self, model: VectorModel, past: Ints | None, shape: tuple[int, ...]) -> None:
        self.model, self.grid = model, grid_of(shape[0], shape[1])
        self.kind, self.vectors = np.full(self.grid.size, ABSENT), np.zeros((self.grid.size, 2), np.int64)
        self.past_kind = kinds_of(past, self.grid)
        self.past_vectors = self.vectors.copy() if past is None else self.grid.flat(past[..., 1:].astype(np.int64))

    def sight(self, at: Ints) -> tuple[Ints, Ints]:
        """Kinds [n, SIGHT] and vectors [n, SIGHT, 2] in sight of places."""
        return in_sight(self.grid, at, (self.kind, self.vectors), (self.past_kind, self.past_vectors))

    def kind_rows(self, number: int) -> tuple[Ints, Ints]:
        """The rows of "stands alone" and "stays" for all tokens of a pass."""
        model = self.model
        kinds, vectors = self.sight(self.grid.passes[number])
        values = hidden(kind_inputs(kinds, vectors, number).astype(np.float32) @ model.kind_in + model.kind_start)
        tables = len(model.kinds) // 2
        rows = picked(values @ model.kind_out[:-1] + model.kind_out[-1], tables)
        return rows[:, 0], rows[:, 1] + tables

    def counts(self, number: int, at: Ints, axis: int, found: Ints) -> npt.NDArray[np.float64]:
        """Frequencies [n, 2*bound+1] of dy (axis 0) or dx (1) of the moving tokens `at` of a pass; `found` [n, axis] is dy, once coded."""
        model, width = self.model, 2 * self.model.spec.bound + 1
        kinds, vectors = self.sight(at)
        how = np.where(vectors[..., 0] == found, RIGHT, OTHER) if axis else np.full(kinds.shape, FIRST)
        weights = np.where(kinds == MOVES, model.weights[how, number, np.arange(SIGHT)], 0)
        part = (np.arange(SIGHT) >= NEAR) * width  # votes of now and of before are spread apart
        places = np.arange(len(at))[:, None] * (2 * width) + part + vectors[..., axis] + model.spec.bound
        votes = np.bincount(places.ravel(), weights.ravel(), minlength=len(at) * 2 * width).reshape(-1, 2 * width)
        return (votes.astype(np.float32) @ model.spread[axis] + model.floor[axis]).astype(np.float64)


def in_sight(grid: Grid, at: Ints, now: tuple[Ints, Ints], before: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """Kinds [n, SIGHT] and vectors [n, SIGHT, 2] in sight of the places `at`: of neighbours (kinds, vectors) as far as they are there
    `now`, and of the same place and its neighbours one slice `before`."""
    eight = at[:, None] + grid.seen(3)
    nine = np.concatenate((at[:, None], eight), 1)
    kinds = np.concatenate((now[0][eight], before[0][nine]), 1)
    return kinds, np.concatenate((now[1][eight], before[1][nine]), 1)


def kinds_of(symbols: Ints | None, grid: Grid) -> npt.NDArray[np.int64]:
    """What every token [H, W, 3] of a slice does: STAYS, ALONE, MOVES; ABSENT outside, and where there is no slice. Flat."""
    if symbols is None:
        return np.full(grid.size, ABSENT)
    moves = np.where((symbols[..., 1:] != 0).any(-1), MOVES, STAYS)
    return grid.flat(np.where(symbols[..., 0] != 0, ALONE, moves), ABSENT)


def kind_inputs(kinds: Ints, vectors: Ints, number: int) -> npt.NDArray[np.uint8]:
    """Inputs [n, kind_input_count()] of the network: the kinds in sight, how many vectors there are and agree, and the pass."""
    one_hot = (kinds[..., None] == np.arange(4)).reshape(len(kinds), 4 * SIGHT) * UNIT
    moves = kinds == MOVES
    now, before = moves[:, :NEAR].sum(1), moves[:, NEAR:].sum(1)
    near, there = vectors[:, :NEAR], moves[:, :NEAR]
    same = (near[:, None] == near[:, :, None]).all(-1) & there[:, None] & there[:, :, None]
    agree = same.sum((1, 2)) - now
    counts = np.stack((now * 8, before * 8, np.minimum(agree * 4, 200)), 1)
    passes = np.broadcast_to((np.arange(len(PASSES)) == number) * UNIT, (len(kinds), len(PASSES)))
    return np.concatenate((one_hot, counts, passes), 1).astype(np.uint8)


def kind_input_count() -> int:
    """How many inputs that network has."""
    return 4 * SIGHT + 3 + len(PASSES)
