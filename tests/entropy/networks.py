"""Context models of integers by integer arithmetic alone, so that they are the same for ever, and a second reading of docs/FORMAT.md:
what `ContextModel` computes in arrays of float32, worked out token by token in Python's integers."""

from typing import Any

import numpy as np

from vtc.entropy import StreamSpec
from vtc.entropy.stream import Floats, Ints
from vtc.entropy.surroundings import class_input_count, token_input_count
from vtc.entropy.vectors import kind_input_count

SPEC = StreamSpec("structural", channels=10, bound=9, classes=6, sides=4)
MOTION = StreamSpec("motion", channels=3, bound=12, classes=1)
EDGES, PASSES = [0, 3, 5, 8, 10], [4, 2, 1, 1]
THRESHOLDS = [1, 3, 6, 12, 25]


def scattered(seed: int, shape: tuple[int, ...], low: int, high: int) -> Ints:
    """Integers from `low` to `high` that look drawn."""
    state = np.arange(int(np.prod(shape)), dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 977 + 11)
    state = (state ^ (state >> np.uint64(13))) * np.uint64(1274126177)
    state = (state ^ (state >> np.uint64(16))) % np.uint64(high - low + 1)
    return state.astype(np.int64).reshape(shape) + low


def context_arrays(hidden: int = 7, tables: int = 5, class_tables: int = 6) -> dict[str, Ints]:
    """Arrays of a `ContextModel` of `SPEC`."""
    c, inputs, groups, first = SPEC.channels, token_input_count(SPEC.classes, SPEC.sides), len(PASSES), EDGES[1]
    k, symbol = np.meshgrid(np.arange(tables), np.arange(SPEC.alphabet), indexing="ij")
    row, label = np.meshgrid(np.arange(2 * class_tables), np.arange(SPEC.classes), indexing="ij")
    return {
        "thresholds": np.array(THRESHOLDS), "edges": np.array(EDGES), "passes": np.array(PASSES), "keep": scattered(1, (c,), 4, 16),
        "predict": scattered(2, (2, 4, 5 * first, first), -900, 1500),
        "own": scattered(3, (c, hidden), -90, 110), "side": scattered(4, (c, hidden), -60, 90), "past": scattered(5, (c, hidden), -60, 90),
        "near": scattered(6, (c, hidden), -60, 90), "common": scattered(7, (inputs, hidden), -80, 120),
        "budget": scattered(8, (3, hidden), -50, 120), "start": scattered(9, (groups, hidden), -3000, 9000),
        "out": scattered(10, (hidden, c), -60, 90), "out_common": scattered(11, (inputs, c), -40, 50),
        "out_budget": scattered(12, (3, c), -30, 40), "out_past": scattered(13, (2, c), -30, 60), "out_near": scattered(14, (c,), -30, 60),
        "out_start": scattered(15, (c,), 2048, 9000), "counts": 1 + 4000 // (1 + np.abs(symbol - SPEC.bound) * (tables - k)),
        "class_in": scattered(16, (class_input_count(SPEC.sides), 4), -60, 80), "class_start": scattered(17, (4,), -2000, 9000),
        "class_out": scattered(18, (5,), -60, 90) + np.array([0, 0, 0, 0, 9000]),
        "class_counts": 1 + 2000 // (1 + np.abs(label - row % class_tables) * 3),
    }  # fmt: skip


def vector_arrays() -> dict[str, Ints]:
    """Arrays of a `VectorModel` of `MOTION`."""
    distance, size = np.arange(2 * MOTION.bound + 1), np.arange(MOTION.bound + 1)
    yes = np.arange(1, 9)
    return {
        "kind_in": scattered(21, (kind_input_count(), 5), -60, 70), "kind_start": scattered(22, (5,), -500, 9000),
        "kind_out": np.concatenate((scattered(23, (5, 2), -60, 80), np.full((1, 2), 9000))),
        "kind_counts": np.concatenate((np.stack((90 - 10 * yes, 10 * yes), 1),) * 2),
        "weights": scattered(24, (3, 4, 17), 0, 60), "kernels": np.broadcast_to(500 // (1 + distance * 4), (2, 2, len(distance))).copy(),
        "floor": np.broadcast_to(1 + 90 // (1 + size), (2, len(size))).copy(),
    }  # fmt: skip


def steps(symbols: Ints, step: float = 1.0) -> Floats:
    """One step for all tokens of a grid `[S, H, W, C]`."""
    return np.full(symbols.shape[:3], step, np.float32)


def clip(seed: int, shape: tuple[int, int, int] = (3, 5, 4)) -> tuple[Ints, Ints, Ints]:
    """(symbols, side, motion) of a segment: many zeros, some large ones, tokens alone and moved."""
    size = scattered(seed, (*shape, SPEC.channels), 0, 7)
    symbols = np.where(size < 5, 0, scattered(seed + 1, (*shape, SPEC.channels), -9, 9) // (1 + 3 * (size < 7)))
    symbols[scattered(seed + 2, shape, 0, 3) == 0] = 0
    alone = (scattered(seed + 3, shape, 0, 3) == 0).astype(np.int64)
    moving = (scattered(seed + 4, shape, 0, 2) == 0) & (alone == 0)
    vectors = scattered(seed + 5, (*shape, 2), -12, 12) // (1 + 3 * (scattered(seed + 6, (*shape, 1), 0, 1)))
    motion = np.concatenate((alone[..., None], vectors * moving[..., None]), -1)
    return symbols, alone + 2 * (seed % 2), motion


def level(z: int) -> int:
    """round(16 log2(1 + |z|)), by comparing whole powers."""
    value = 0
    while (1 + abs(z)) ** 32 >= 2 ** (2 * value + 1):  # 16 log2(n) >= value + 1/2
        value += 1
    return value


def dot(inputs: list[int], weights: Any) -> int:
    """A sum of products of Python's integers."""
    return sum(int(x) * int(w) for x, w in zip(inputs, weights, strict=True))


def cut(value: int, least: int, most: int) -> int:
    return max(least, min(most, value))


class Reference:
    """The tables that a slice's classes and symbols are coded with, as docs/FORMAT.md has it."""

    def __init__(self, arrays: dict[str, Ints]) -> None:
        self.a = arrays
        self.passes = [(0, 0), (1, 1), (0, 1), (1, 0)]
        self.sides = [(-1, 0), (1, 0), (0, -1), (0, 1)]
        self.diagonals = [(-1, -1), (-1, 1), (1, -1), (1, 1)]

    def pass_of(self, y: int, x: int) -> int:
        return self.passes.index((y % 2, x % 2))

    def segment(self, symbols: Ints, side: Ints, vectors: Ints) -> tuple[list[int], list[int]]:
        """Rows of all classes and of all symbols, in coding order."""
        _, height, width, _ = symbols.shape
        self.size = height, width
        class_rows: list[int] = []
        symbol_rows: list[int] = []
        past = None
        for z, sides, v in zip(symbols.tolist(), side.tolist(), vectors.tolist(), strict=True):
            self.z, self.side, self.v, self.past = z, sides, v, past
            self.label = [[self.class_of(z[y][x]) for x in range(width)] for y in range(height)]
            self.moved = [[self.move(y, x) for x in range(width)] for y in range(height)]
            class_rows += self.classes()
            symbol_rows += self.symbols()
            state = [[[cut(s + t, -8190, 8190) for s, t in zip(self.base(y, x), z[y][x])] for x in range(width)] for y in range(height)]
            past = {"state": state, "label": self.label, "alone": [[s & 1 for s in row] for row in sides]}
        return class_rows, symbol_rows

    def class_of(self, token: list[int]) -> int:
        return sum(sum(abs(z) for z in token) >= t for t in THRESHOLDS)

    def move(self, y: int, x: int) -> dict[str, Any]:
        """State, class and reference of the past where the vector points."""
        if self.past is None:
            return {"state": [0] * SPEC.channels, "label": 0, "alone": 0}
        height, width = self.size
        row = cut((256 * y - 5 * self.v[y][x][0] + 128) // 256, 0, height - 1)
        column = cut((256 * x - 5 * self.v[y][x][1] + 128) // 256, 0, width - 1)
        state = [(int(k) * s + 8) // 16 for k, s in zip(self.a["keep"], self.past["state"][row][column])]
        return {"state": state, "label": self.past["label"][row][column], "alone": self.past["alone"][row][column]}

    def base(self, y: int, x: int) -> list[int]:
        """What the token's symbols are added to."""
        return [0] * SPEC.channels if self.side[y][x] & 1 else self.moved[y][x]["state"]

    def there(self, y: int, x: int, offsets: list[tuple[int, int]]) -> list[tuple[int, int]]:
        return [(y + dy, x + dx) for dy, dx in offsets if 0 <= y + dy < self.size[0] and 0 <= x + dx < self.size[1]]

    def mean(self, values: list[int]) -> int:
        """The rounded mean as the coder takes it, 0 of none."""
        return (sum(values) * round(4096 / max(1, len(values))) + 2048) // 4096

    def places(self, number: int) -> list[tuple[int, int]]:
        return [(y, x) for y in range(self.size[0]) for x in range(self.size[1]) if self.pass_of(y, x) == number]

    def classes(self) -> list[int]:
        rows = []
        for number in range(4):
            seen = [set(), set(self.diagonals), set(self.sides), set(self.sides + self.diagonals)][number]
            for y, x in self.places(number):
                inputs: list[int] = []
                eight = [(y + dy, x + dx, (dy, dx) in seen) for dy, dx in self.sides + self.diagonals]
                inside = [0 <= b < self.size[0] and 0 <= a < self.size[1] for b, a, _ in eight]
                inputs += [self.label[b][a] * 8 if ok and told else 0 for (b, a, told), ok in zip(eight, inside)]
                inputs += [32 if ok and told else 0 for (_, _, told), ok in zip(eight, inside)]
                nine = [(y, x), *((b, a) for b, a, _ in eight)]
                inside_nine = [True, *inside]
                inputs += [self.past["label"][b][a] * 8 if ok and self.past else 0 for (b, a), ok in zip(nine, inside_nine)]
                inputs += [(self.side[b][a] & 1) * 32 if ok else 0 for (b, a), ok in zip(nine, inside_nine)]
                inputs += [self.moved[y][x]["label"] * 8, self.moved[y][x]["alone"] * 32]
                own = self.v[y][x]
                inputs += [level(abs(own[0]) + abs(own[1]))]
                for (b, a, _), ok in zip(eight[:4], inside[:4]):
                    inputs += [level(abs(own[0] - self.v[b][a][0]) + abs(own[1] - self.v[b][a][1])) if ok else 0]
                inputs += [32 * (self.side[y][x] == s) for s in range(SPEC.sides)]
                inputs += [32 * (number == p) for p in range(4)] + [32 if self.past else 0]
                hidden = [cut((dot(inputs, w) + int(b)) >> 8, 0, 255) for w, b in zip(self.a["class_in"].T, self.a["class_start"])]
                half = len(self.a["class_counts"]) // 2
                row = cut((dot(hidden, self.a["class_out"][:-1]) + int(self.a["class_out"][-1])) >> 12, 0, half - 1)
                rows.append(row + half * (self.side[y][x] & 1))
        return rows

    def symbols(self) -> list[int]:
        height, width = self.size
        rest = [[list(self.z[y][x]) for x in range(width)] for y in range(height)]
        for y in range(height):
            for x in range(width):
                if self.label[y][x]:
                    guess = self.guess(y, x)
                    rest[y][x][: len(guess)] = [(z - g + SPEC.bound) % SPEC.alphabet - SPEC.bound for z, g in zip(rest[y][x], guess)]
        self.rest = rest
        rows = []
        for group, parts in enumerate(PASSES):
            for part in {1: [(0, 1, 2, 3)], 2: [(0, 1), (2, 3)], 4: [(0,), (1,), (2,), (3,)]}[parts]:
                tokens = [place for number in part for place in self.places(number) if self.label[place[0]][place[1]]]
                for y, x in tokens:
                    rows += self.rows(group, part[0], y, x)
        return rows

    def guess(self, y: int, x: int) -> list[int]:
        """The prediction of the first group of a token that stands alone."""
        first, number = EDGES[1], self.pass_of(y, x)
        if not self.side[y][x] & 1:
            return [0] * first
        four = [[], self.diagonals, self.sides, self.sides][number]
        states = {at: [s + t for s, t in zip(self.base(*at), self.z[at[0]][at[1]])] for at in self.there(y, x, four)}
        inputs = []
        for dy, dx in four or [(0, 0)] * 4:
            known = states.get((y + dy, x + dx)) if four else None
            inputs += known[:first] if known else [self.mean([s[n] for s in states.values()]) for n in range(first)]
        inputs += self.moved[y][x]["state"][:first]
        weights = self.a["predict"][int(self.past is not None), number]
        return [cut((dot(inputs, w) + 2048) >> 12, -SPEC.bound, SPEC.bound) for w in weights.T]

    def rows(self, group: int, number: int, y: int, x: int) -> list[int]:
        low, high = EDGES[group], EDGES[group + 1]
        a, moved, label, alone = self.a, self.moved[y][x], self.label[y][x], self.side[y][x] & 1
        beside = self.there(y, x, self.sides)
        common = [self.mean([self.label[b][c] * 8 for b, c in beside]), self.mean([(self.side[b][c] & 1) * 32 for b, c in beside])]
        common += [moved["label"] * 8, moved["alone"] * 32, level(abs(self.v[y][x][0]) + abs(self.v[y][x][1]))]
        common += [32 * (label == k) for k in range(SPEC.classes)] + [32 * (self.side[y][x] == s) for s in range(SPEC.sides)]
        common += [32 * (self.pass_of(y, x) == p) for p in range(4)] + [32 if self.past else 0]
        past = [level(s) for s in moved["state"]]
        spent = sum(abs(z) for z in self.z[y][x][:low])
        most = THRESHOLDS[label] - 1 - spent if label < len(THRESHOLDS) else 8190
        left = [level(max(0, [0, *THRESHOLDS][label] - spent)), level(max(0, most)), 32 if most <= 0 else 0]
        near_of = [] if PASSES[group] == 1 else [[], self.diagonals, self.sides, self.sides][number]
        seen = self.there(y, x, near_of)
        coded = {at: self.rest[at[0]][at[1]] if self.label[at[0]][at[1]] else [0] * SPEC.channels for at in seen + beside}
        levels = {at: [level(d) for d in rest] for at, rest in coded.items()}
        near = [self.mean([levels[at][c] for at in seen]) if low <= c < high else 0 for c in range(SPEC.channels)]
        own = [level(d) if c < low else 0 for c, d in enumerate(self.rest[y][x])]
        side = [self.mean([levels[at][c] for at in beside]) if c < low else 0 for c in range(SPEC.channels)]
        hidden = []
        for h in range(a["own"].shape[1]):
            total = dot(own, a["own"][:, h]) + dot(side, a["side"][:, h]) + dot(past, a["past"][:, h]) + dot(near, a["near"][:, h])
            total += dot(common, a["common"][:, h]) + dot(left, a["budget"][:, h]) + int(a["start"][group, h])
            hidden.append(cut(total >> 8, 0, 255))
        rows = []
        for c in range(low, high):
            total = dot(hidden, a["out"][:, c]) + dot(common, a["out_common"][:, c]) + dot(left, a["out_budget"][:, c])
            total += past[c] * int(a["out_past"][alone, c]) + near[c] * int(a["out_near"][c]) + int(a["out_start"][c])
            rows.append(cut(total >> 12, 0, len(a["counts"]) - 1))
        return rows
