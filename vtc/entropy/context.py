"""The `context` profile of a grid that is coded by reference: an integer network that sees what is already decoded.

A slice's classes go first, in four passes, then the symbols of the tokens above class 0, in groups of channels that grow. Each
group is coded in one, two or four passes over all tokens, so that a token sees: its own earlier groups and how much of its
class is still to come; the same groups of its neighbours; and the `state` at its place, the sum of what all earlier symbols
there have put into the picture. From that a hidden layer of whole numbers picks one of a few frequency tables for every symbol.
The first group of tokens that stand alone is predicted from the states around and before them; what is coded is the rest.

All sums are exact (exact.py), so any machine picks the same tables. Nothing here loops over tokens or channels.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from vtc.entropy import exact
from vtc.entropy.coder import RangeReader, RangeWriter, Tables
from vtc.entropy.exact import UNIT, Whole, demand_exact, hidden, levels, picked, reach, whole
from vtc.entropy.static import PASSES, activity
from vtc.entropy.stream import Floats, Ints, StreamSpec, check_grid, checked_size, shifted
from vtc.entropy.surroundings import (
    CLASS_UNIT,
    Past,
    Slice,
    class_input_count,
    class_inputs,
    mean,
    nothing,
    slice_of,
    token_input_count,
    token_inputs,
)
from vtc.errors import BundleError, UsageError

BUDGET = 3  # inputs that tell how much of its class a token still has to come
_MEAN_SHIFT = 12  # weights of the prediction count in 2**-12
PARTS = {1: ((0, 1, 2, 3),), 2: ((0, 1), (2, 3)), 4: ((0,), (1,), (2,), (3,))}  # which passes go together


class _Coding(Protocol):
    """Codes symbols whose tables are known. `wanted`: them, or None when they are to be read."""

    def __call__(self, wanted: Ints | None, rows: Ints, tables: Tables) -> Ints: ...


class ContextModel:
    """The network of one stream. Its arrays, all of integers, hold H hidden values, G groups, N channels of the first group:

    thresholds [classes-1] as in `StaticModel`; edges [G+1] of the groups in the channels, rising from 0; passes [G] of 1, 2, 4;
    keep [C] in 1/16: how much of the state lasts until the next slice;
    predict [2 (led or not), 4 passes, 5N, N] in 2**-12: the first group of an alone token from the states of four neighbours and its own;
    own, side, past [C, H], near [C, H], common [inputs, H], budget [BUDGET, H], start [G, H]: weights of the hidden layer;
    out [H, C], out_common [inputs, C], out_budget [BUDGET, C], out_past [2 (context or alone), C], out_near [C], out_start [C];
    counts [K, 2*bound+1]: the tables; class_in [inputs, J], class_start [J], class_out [J+1]: the network of the classes, its last
    weight the constant; class_counts [2 Q, classes]: Q tables of the tokens with a context, then as many of those alone.
    BundleError when they do not fit the stream or each other, or sums could be rounded.
    """

    ARRAYS = (
        "thresholds", "edges", "passes", "keep", "predict", "own", "side", "past", "near", "common", "budget", "start", "out",
        "out_common", "out_budget", "out_past", "out_near", "out_start", "counts", "class_in", "class_start", "class_out", "class_counts",
    )  # fmt: skip

    def __init__(self, spec: StreamSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        if set(arrays) != set(self.ARRAYS):
            raise BundleError(f"context tables of stream {spec.name}: found {', '.join(sorted(arrays)) or 'none'}")
        if spec.kind != "grid" or not 2 <= spec.classes <= exact.MOST // CLASS_UNIT or spec.sides % 2:
            raise BundleError(f"stream {spec.name} is not one that context tables can be for")
        self.spec, self.arrays = spec, dict(arrays)
        channels, inputs = spec.channels, token_input_count(spec.classes, spec.sides)

        def take(name: str, *shape: int) -> Whole:
            return whole(arrays[name], f"{spec.name}.{name}", *shape)

        self.edges = [int(edge) for edge in take("edges", -1)]
        self.parts = [PARTS.get(int(count), ()) for count in take("passes", -1)]
        groups = len(self.parts)
        whole_range = len(self.edges) == groups + 1 and self.edges[0] == 0 and self.edges[-1] == channels
        if not (whole_range and all(self.parts) and all(a < b for a, b in pairwise(self.edges))):
            raise BundleError(f"context tables of stream {spec.name}: its groups of channels do not fit")
        first = self.edges[1]
        self.thresholds = take("thresholds", spec.classes - 1).astype(np.int32)
        if not (np.diff(self.thresholds, prepend=0) > 0).all():
            raise BundleError(f"context tables of stream {spec.name}: the thresholds do not rise")
        self.keep = take("keep", channels).astype(np.int32)
        self.predict = take("predict", 2, len(PASSES), 5 * first, first).astype(np.int64)
        if int(np.abs(self.keep).max()) > 256:
            raise BundleError(f"context tables of stream {spec.name}: a state that grows")
        self.own = take("own", channels, -1)
        width = self.own.shape[1]
        self.side, self.past, self.near = (take(name, channels, width) for name in ("side", "past", "near"))
        self.common, self.budget, self.start = (
            take("common", inputs, width),
            take("budget", BUDGET, width),
            take("start", groups, width),
        )
        self.out, self.out_common = take("out", width, channels), take("out_common", inputs, channels)
        self.out_budget, self.out_past = take("out_budget", BUDGET, channels), take("out_past", 2, channels)
        self.out_near, self.out_start = take("out_near", channels), take("out_start", channels)
        self.tables = Tables(arrays["counts"])
        count = class_input_count(spec.sides)
        self.class_in = take("class_in", count, -1)
        self.class_start = take("class_start", self.class_in.shape[1])
        self.class_out = take("class_out", self.class_in.shape[1] + 1)
        self.classes = Tables(arrays["class_counts"])
        if (
            self.tables.counts.shape[1] != spec.alphabet
            or self.classes.counts.shape[1] != spec.classes
            or len(self.classes) % 2
        ):
            raise BundleError(f"context tables of stream {spec.name}: the tables do not fit its symbols")
        sums = [reach(weights) for weights in (self.own, self.side, self.past, self.near, self.common, self.budget)]
        demand_exact(sum(sums) + np.abs(self.start).max(0), f"{spec.name}.start")
        direct = (
            reach(self.out_common) + reach(self.out_budget) + reach(self.out_past) + np.abs(self.out_near) * exact.MOST
        )
        demand_exact(direct + reach(self.out, exact.HIDDEN_MOST) + np.abs(self.out_start), f"{spec.name}.out")
        demand_exact(reach(self.class_in) + np.abs(self.class_start), f"{spec.name}.class_in")
        demand_exact(
            reach(self.class_out[:-1, None], exact.HIDDEN_MOST) + np.abs(self.class_out[-1:]), f"{spec.name}.class_out"
        )

    # -- segments -----------------------------------------------------------------------------------------------------

    def encode(self, symbols: Ints, side: Ints, vectors: Ints, before: Past | None, steps: Floats) -> bytes:
        """A grid [S, H, W, C] to bytes.

        side [S, H, W] in [0, sides), odd where a token stands alone; vectors [S, H, W, 2]: its displacement (`Past.moved`). `before`: what
        `follow` gave for the segment that this one leans on, or None. `steps` float32 [S, H, W] of the quantiser. The decoder must be given
        the same.
        """
        shifted(check_grid(symbols, self.spec), self.spec)  # for its check of the range
        writer = RangeWriter()

        def put(wanted: Ints | None, rows: Ints, tables: Tables) -> Ints:
            assert wanted is not None
            writer.put(wanted.ravel(), rows.ravel(), tables)
            return wanted

        self._segment(put, symbols.astype(np.int32), symbols.shape[:3], side, vectors, before, steps)
        return writer.finish()

    def decode(
        self, data: bytes, shape: Sequence[int], side: Ints, vectors: Ints, before: Past | None, steps: Floats
    ) -> npt.NDArray[np.int32]:
        """The grid [S, H, W, C] of shape (S, H, W) from bytes. DamageError when no writer could have written them."""
        checked_size((*shape, self.spec.channels), self.spec)
        reader = RangeReader(data)

        def get(wanted: Ints | None, rows: Ints, tables: Tables) -> Ints:
            return reader.get(rows.ravel(), tables).reshape(rows.shape)

        return self._segment(get, None, tuple(shape), side, vectors, before, steps)

    def follow(self, symbols: Ints, side: Ints, vectors: Ints, before: Past | None, steps: Floats) -> Past | None:
        """What a segment leaves to the one that leans on it."""
        self._check(symbols.shape[:3], side, vectors, steps)
        past = before
        for z, sides, v, own in zip(symbols, side, vectors, steps, strict=True):
            moved = self._moved(past, v, own)
            past = moved.then(z, activity(z, self.thresholds), (sides & 1).astype(np.uint8))
        return past

    def _segment(
        self,
        code: _Coding,
        symbols: Ints | None,
        shape: tuple[int, ...],
        side: Ints,
        vectors: Ints,
        before: Past | None,
        steps: Floats,
    ) -> npt.NDArray[np.int32]:
        """All slices in coding order; the symbols [S, H, W, C] that `code` put or got."""
        self._check(shape, side, vectors, steps)
        decoded = np.zeros((*shape, self.spec.channels), np.int32)
        past = before
        for t in range(shape[0]):
            moved, alone = self._moved(past, vectors[t], steps[t]), (side[t] & 1).astype(np.uint8)
            known = slice_of(past, moved, side[t], alone, vectors[t])
            labels = self._labels(code, known, None if symbols is None else symbols[t])
            found = self._symbols(code, known, labels, None if symbols is None else known.grid.flat(symbols[t]))
            decoded[t] = known.grid.square(found)
            past = moved.then(decoded[t], known.grid.square(labels), alone)
        return decoded

    def _moved(self, past: Past | None, vectors: Ints, steps: Floats) -> Past:
        return nothing(self.spec.channels, steps) if past is None else past.moved(vectors, self.keep, steps)

    def _check(self, shape: tuple[int, ...], side: Ints, vectors: Ints, steps: Floats) -> None:
        if side.shape != shape or (side.size and not 0 <= int(side.min()) <= int(side.max()) < self.spec.sides):
            raise UsageError(f"stream {self.spec.name}: side information must be {shape}, in 0..{self.spec.sides - 1}")
        if vectors.shape != (*shape, 2):
            raise UsageError(f"stream {self.spec.name}: vectors {vectors.shape} are not those of {shape}")
        if steps.shape != shape:
            raise UsageError(f"stream {self.spec.name}: steps {steps.shape} are not those of {shape}")

    # -- a slice ------------------------------------------------------------------------------------------------------

    def _labels(self, code: _Coding, known: Slice, symbols: Ints | None) -> npt.NDArray[np.uint8]:
        """The classes [size] of a slice, pass by pass."""
        truth = None if symbols is None else known.grid.flat(activity(symbols, self.thresholds))
        labels = np.zeros(known.grid.size, np.uint8)
        tables = len(self.classes) // 2
        for number, at in enumerate(known.grid.passes):
            inputs = class_inputs(known, number, labels, self.spec.sides).astype(np.float32)
            values = hidden(inputs @ self.class_in + self.class_start)
            rows = picked(values @ self.class_out[:-1] + self.class_out[-1], tables) + tables * known.alone[at].astype(
                np.uint16
            )
            labels[at] = code(None if truth is None else truth[at], rows, self.classes)
        return labels

    def _symbols(self, code: _Coding, known: Slice, labels: Ints, truth: Ints | None) -> npt.NDArray[np.int32]:
        """The symbols [size, C] of a slice, group by group."""
        spec, grid = self.spec, known.grid
        symbols = np.zeros((grid.size, spec.channels), np.int32)
        passes = [at[labels[at] > 0] for at in grid.passes]
        ends = np.cumsum([0] + [len(at) for at in passes])
        at = np.concatenate(passes)
        if not len(at):
            return symbols
        number = np.repeat(np.arange(len(PASSES)), np.diff(ends))
        common = token_inputs(known, at, number, labels, spec.classes, spec.sides).astype(np.float32)
        past = levels(known.state[at]).astype(np.float32)
        sums = common @ self.common + past @ self.past
        out = common @ self.out_common + past * self.out_past[known.alone[at]] + self.out_start
        state = np.where(known.alone > 0, 0, known.state[:, : self.edges[1]].T).T
        spent = np.zeros(len(at), np.int64)
        for group, parts in enumerate(self.parts):
            channels = slice(self.edges[group], self.edges[group + 1])
            level = np.zeros((grid.size, channels.stop - channels.start), np.uint8)
            left = budget(self.thresholds, labels[at], spent)
            for part in parts:
                some = slice(ends[part[0]], ends[part[-1] + 1])
                here = at[some]
                inner = sums[some] + left[some] @ self.budget + self.start[group]
                outer = out[some, channels] + left[some] @ self.out_budget[:, channels]
                if part[0]:
                    near = mean(level, grid, here, grid.seen(part[0])[:4]).astype(np.float32)
                    inner += near @ self.near[channels]
                    outer += near * self.out_near[channels]
                rows = picked(outer + hidden(inner) @ self.out[:, channels], len(self.tables))
                guess = prediction(known, state, here, part[0], self.predict, spec.bound) if group == 0 else 0
                wanted = None if truth is None else wrapped(truth[here, channels] - guess, spec.bound) + spec.bound
                rest = code(wanted, rows, self.tables).astype(np.int32) - spec.bound
                level[here] = levels(rest)
                symbols[here, channels] = wrapped(rest + guess, spec.bound)
                if group == 0:
                    state[here] += symbols[here, channels]
            side = mean(level, grid, at, grid.sides).astype(np.float32)
            sums += level[at].astype(np.float32) @ self.own[channels] + side @ self.side[channels]
            spent += np.abs(symbols[at, channels]).sum(1)
        return symbols


def prediction(known: Slice, state: Ints, here: Ints, number: int, weights: Ints, bound: int) -> Ints:
    """The first group of the tokens `here`, [n, N], in pass `number`, from the `state` [size, N] of those before them and `weights`
    [2, passes, 5N, N]; 0 where they do not stand alone."""
    guess = np.zeros((len(here), state.shape[1]), np.int64)
    some = known.alone[here] > 0
    inputs = prediction_inputs(known, state, here[some], number)
    guess[some] = (inputs @ weights[known.led, number] + (1 << _MEAN_SHIFT - 1)) >> _MEAN_SHIFT
    return np.clip(guess, -bound, bound)


def prediction_inputs(known: Slice, state: Ints, here: Ints, number: int) -> npt.NDArray[np.int64]:
    """What `prediction` weighs, [n, 5N]: the states of four neighbours (their mean where one is missing), and the one before."""
    grid, count = known.grid, state.shape[1]
    around = np.zeros((len(here), 4, count), np.int32)
    if number:
        four = grid.seen(number)[:4]
        near = here[:, None] + four
        around = np.where(grid.exists[near][..., None] > 0, state[near], mean(state, grid, here, four)[:, None])
    return np.concatenate((around.reshape(len(here), 4 * count), known.state[here, :count]), 1).astype(np.int64)


def wrapped(values: Ints, bound: int) -> Ints:
    """Brought back into [-bound, bound] by whole alphabets."""
    return (values + bound) % (2 * bound + 1) - bound


def budget(thresholds: Ints, labels: Ints, spent: Ints) -> Whole:
    """How much of the sum|z| that a class promises is still to come, at least and at most, and whether nothing can: [n, BUDGET]."""
    least = np.concatenate(([0], thresholds))[labels] - spent
    most = np.concatenate((thresholds - 1, [1 << 30]))[labels] - spent
    return np.stack((levels(np.maximum(least, 0)), levels(np.maximum(most, 0)), (most <= 0) * UNIT), 1).astype(
        np.float32
    )
