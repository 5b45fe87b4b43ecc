"""What a token's contexts are made of: the grid around it in coding order, and what came before it.

Grids are kept flat with a border of one token that holds zeros, so a neighbour is a fixed distance away and none is a special
case. The tokens of a slice are coded in four interleaved passes (`static.PASSES`): behind the first, those of the second
see their diagonals, those of the third their sides, those of the fourth all.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from vtc.entropy.exact import UNIT, levels
from vtc.entropy.static import PASSES
from vtc.entropy.stream import Floats, Ints

CLASS_UNIT = 8  # a class as an input
_STATE_MOST = 8190
_RECIPROCAL = np.rint(4096 / np.maximum(np.arange(9), 1)).astype(np.int32)


@dataclass(frozen=True)
class Grid:
    """`height` x `width` tokens in flat arrays of `size` places, a border included. `passes`: the places of each pass. `sides`,
    `diagonals`: how far the neighbours are. `exists` [size]: 1 within the grid."""

    height: int
    width: int
    passes: tuple[Ints, ...]
    sides: Ints
    diagonals: Ints
    exists: npt.NDArray[np.uint8]

    @property
    def size(self) -> int:
        """Places with the border."""
        return len(self.exists)

    def flat(self, array: Ints, outside: int = 0) -> Ints:
        """[H, W, ...] with its border of `outside`, flat: [size, ...]."""
        border = ((1, 1), (1, 1), *((0, 0),) * (array.ndim - 2))
        return np.pad(array, border, constant_values=outside).reshape(self.size, *array.shape[2:])

    def square(self, flat: Ints) -> Ints:
        """[size, ...] without the border: [H, W, ...]."""
        whole = flat.reshape(self.height + 2, self.width + 2, *flat.shape[1:])
        return np.ascontiguousarray(whole[1:-1, 1:-1])

    def seen(self, number: int) -> Ints:
        """Distances of the neighbours that are coded before those of a pass: none, diagonals, sides, all."""
        return (self.sides[:0], self.diagonals, self.sides, np.concatenate((self.sides, self.diagonals)))[number]


@lru_cache(maxsize=64)
def grid_of(height: int, width: int) -> Grid:
    """The grid of a size."""
    stride = width + 2
    places = np.arange((height + 2) * stride).reshape(height + 2, stride)[1:-1, 1:-1]
    exists = np.zeros((height + 2) * stride, np.uint8)
    exists[places] = 1
    sides = np.array([-stride, stride, -1, 1])
    diagonals = np.array([-stride - 1, -stride + 1, stride - 1, stride + 1])
    return Grid(height, width, tuple(places[y::2, x::2].ravel() for y, x in PASSES), sides, diagonals, exists)


def mean(values: Ints, grid: Grid, at: Ints, offsets: Ints) -> npt.NDArray[np.int32]:
    """[n, ...]: mean of `values` [size, ...] over the neighbours of the places `at` that exist, rounded; 0 where none does."""
    near = at[:, None] + offsets
    total = values[near].sum(1, dtype=np.int32)
    factor = _RECIPROCAL[grid.exists[near].sum(1)]
    return np.asarray((total * factor.reshape(-1, *(1,) * (total.ndim - 1)) + 2048) >> 12)


@dataclass(frozen=True)
class Past:
    """What is known of a slice once it is coded. `state` int32 [H, W, C]: the sum of what its symbols put into the picture, in
    units of its `steps` float32 [H, W]. `labels` uint8 [H, W]: classes. `alone` uint8 [H, W]: 1 where a token does not refer to the
    past."""

    state: Ints
    labels: Ints
    alone: Ints
    steps: Floats

    def moved(self, vectors: Ints, keep: Ints, steps: Floats) -> "Past":
        """The same where tokens of the next slice look for it: displaced by their `vectors` [H, W, 2] (half pixels over a slice of
        four frames; tokens have 16 pixels), its state multiplied by `keep` [C] / 16 and told in units of their `steps` [H, W]."""
        height, width = self.labels.shape
        # The mean displacement of the four frames is 5/8 of the vector; a token is 32 half pixels.
        rows = np.clip((256 * np.arange(height)[:, None] - 5 * vectors[..., 0] + 128) >> 8, 0, height - 1)
        columns = np.clip((256 * np.arange(width) - 5 * vectors[..., 1] + 128) >> 8, 0, width - 1)
        state = self.state[rows, columns]
        scale = self.steps[rows, columns] / steps.astype(np.float64)
        other = scale != 1
        state[other] = np.rint(state[other] * scale[other][:, None]).astype(np.int32)
        return Past((keep * state + 8) >> 4, self.labels[rows, columns], self.alone[rows, columns], steps)

    def then(self, symbols: Ints, labels: Ints, alone: Ints) -> "Past":
        """What follows when a slice [H, W, C] is coded upon this, which was `moved` for it."""
        state = np.where(alone[..., None] > 0, 0, self.state) + symbols
        return Past(np.clip(state, -_STATE_MOST, _STATE_MOST), labels, alone, self.steps)


def nothing(channels: int, steps: Floats) -> Past:
    """What is known before the first slice of all, of tokens with these `steps` [H, W]."""
    none = np.zeros(steps.shape, np.uint8)
    return Past(np.zeros((*steps.shape, channels), np.int32), none, none, steps)


@dataclass(frozen=True)
class Slice:
    """What is known of a slice before its first symbol, in flat arrays. `led`: 1 where there is a slice before, else 0; `around`: its
    classes; `state`, `labels`, `leant`: those of the past, moved (`Past.moved`). `side`, `alone`, `vectors` [size, 2]: its own."""

    grid: Grid
    led: int
    around: Ints
    state: Ints
    labels: Ints
    leant: Ints
    side: Ints
    alone: Ints
    vectors: Ints


def slice_of(before: Past | None, moved: Past, side: Ints, alone: Ints, vectors: Ints) -> Slice:
    """The slice of `side`, `alone` [H, W] and `vectors` [H, W, 2] after the slice `before`, which was `moved` for it."""
    grid = grid_of(*side.shape)
    around = np.zeros(side.shape, np.uint8) if before is None else before.labels
    led = int(before is not None)
    arrays = (around, moved.state, moved.labels, moved.alone, side, alone, vectors)
    return Slice(grid, led, *(grid.flat(array) for array in arrays))


def class_inputs(known: Slice, number: int, labels: Ints, sides: int) -> npt.NDArray[np.uint8]:
    """Inputs [n, class_input_count(sides)] of the classes of pass `number`, from what is there already of `labels` [size]."""
    grid, at = known.grid, known.grid.passes[number]
    eight = at[:, None] + grid.seen(3)
    nine = np.concatenate((at[:, None], eight), 1)
    there = grid.exists[eight] > 0
    told = there & np.isin(grid.seen(3), grid.seen(number))
    own, beside = known.vectors[at], known.vectors[eight[:, :4]]
    return _joined(
        at,
        np.where(told, labels[eight] * CLASS_UNIT, 0),
        told * UNIT,
        known.around[nine] * CLASS_UNIT,
        known.alone[nine] * UNIT,
        known.labels[at, None] * CLASS_UNIT,
        known.leant[at, None] * UNIT,
        levels(np.abs(own).sum(1, keepdims=True)),
        levels(np.abs(own[:, None] - beside).sum(2)) * there[:, :4],
        _one_hot(known.side[at], sides),
        _one_hot(np.full(len(at), number), len(PASSES)),
        np.full((len(at), 1), known.led * UNIT),
    )


def class_input_count(sides: int) -> int:
    """How many inputs the classes have."""
    return 8 + 8 + 9 + 9 + 1 + 1 + 1 + 4 + sides + len(PASSES) + 1


def token_inputs(known: Slice, at: Ints, number: Ints, labels: Ints, classes: int, sides: int) -> npt.NDArray[np.uint8]:
    """Inputs [n, token_input_count(...)] of the symbols of the tokens `at`, of passes `number` [n]; the `labels` [size] are all there."""
    grid = known.grid
    alone = known.alone * UNIT
    return _joined(
        at,
        mean(labels * CLASS_UNIT, grid, at, grid.sides)[:, None],
        mean(alone, grid, at, grid.sides)[:, None],
        known.labels[at, None] * CLASS_UNIT,
        known.leant[at, None] * UNIT,
        levels(np.abs(known.vectors[at]).sum(1, keepdims=True)),
        _one_hot(labels[at], classes),
        _one_hot(known.side[at], sides),
        _one_hot(number, len(PASSES)),
        np.full((len(at), 1), known.led * UNIT),
    )


def token_input_count(classes: int, sides: int) -> int:
    """How many inputs the symbols have in common."""
    return 5 + classes + sides + len(PASSES) + 1


def _one_hot(index: Ints, count: int) -> Ints:
    return np.asarray((index[:, None] == np.arange(count)) * UNIT)


def _joined(at: Ints, *parts: Ints) -> npt.NDArray[np.uint8]:
    return np.concatenate([part.astype(np.uint8) for part in parts], 1)
