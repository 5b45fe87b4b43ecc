"""Fitting the tables of the `static` profile to samples of symbols.

Histograms of every row (side, class, channel and so on) are smoothed towards coarser ones where they are thin, then
clustered by code length (k-means with the Kullback-Leibler divergence), and each cluster becomes one integer table.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vtc.entropy.static import PASSES, StaticModel, activity, class_contexts
from vtc.entropy.stream import Ints, Lengths, StreamSpec, check_grid, check_sequence, shifted
from vtc.errors import UsageError

Floats = npt.NDArray[np.float64]
GridSample = tuple[Ints, Ints | None]
SequenceSample = tuple[Ints, Lengths] | tuple[Ints, Lengths, int]

TOTAL = 1 << 20  # what a table's counts sum to, about


@dataclass(frozen=True)
class FitOptions:
    """tables: the most there may be for symbols, and for classes. rounds: of k-means. backoff: how many symbols' worth of
    a coarser histogram each row gets. tail: how many of a heavy-tailed one each table gets, so that all stay codable."""

    tables: int = 128
    rounds: int = 12
    backoff: float = 16.0
    tail: float = 1.0


DEFAULT = FitOptions()


def fit_grid(spec: StreamSpec, samples: Iterable[GridSample], options: FitOptions = DEFAULT) -> StaticModel:
    """The model of a grid stream from (symbols [S, H, W, C], side [S, H, W] or None) samples, each a run of slices."""
    gathered = [(z, np.zeros(z.shape[:3], np.uint8) if side is None else side) for z, side in samples]
    if spec.kind != "grid" or not gathered:
        raise UsageError(f"stream {spec.name}: there are no grid samples to fit")
    totals = [np.abs(check_grid(z, spec).astype(np.int32)).sum(-1) for z, _ in gathered]
    thresholds = choose_thresholds(spec.classes, totals)
    hist = np.zeros((spec.sides, spec.classes, spec.channels, spec.alphabet))
    class_hist = np.zeros((spec.sides, len(PASSES), spec.classes + 1, spec.classes + 1, spec.classes))
    for symbols, sides in gathered:
        past = None
        for z, side in zip(symbols, sides, strict=True):
            labels = activity(z, thresholds)
            coded = labels > 0 if spec.classes > 1 else np.ones(labels.shape, np.bool_)
            token = side[coded][:, None], labels[coded][:, None]
            _count(hist, *token, np.arange(spec.channels), shifted(z[coded], spec))
            for at, number, before, around in class_contexts(labels, past, spec.classes) if spec.classes > 1 else ():
                _count(class_hist, side[at], number, before, around, labels[at])
            past = labels
    rows, counts = cluster(hist + options.backoff * _distribution(_coarser(hist)), options)
    if spec.classes == 1:
        return StaticModel(spec, symbol_counts=counts, symbol_rows=rows)
    backed = class_hist + options.backoff * _distribution(_near_contexts(class_hist))
    class_rows, class_counts = cluster(backed, options)
    return StaticModel(
        spec,
        symbol_counts=counts,
        symbol_rows=rows,
        thresholds=thresholds,
        class_counts=class_counts,
        class_rows=class_rows,
        class_bits=_class_bits(backed, class_rows, class_counts),
    )


def fit_sequence(
    spec: StreamSpec, positions: int, samples: Iterable[SequenceSample], options: FitOptions = DEFAULT
) -> StaticModel:
    """The model of a sequence stream of at most `positions` tokens an item, from (symbols [N, K, C], lengths [N]) samples, or
    (symbols, lengths, side)."""
    hist = np.zeros((spec.sides, positions, spec.channels, spec.alphabet))
    for symbols, lengths, *side in samples:
        kept = check_sequence(symbols, lengths, spec)[:, :positions]
        position = np.nonzero(kept)[1]
        moved = shifted(symbols[:, :positions][kept], spec)
        _count(hist, side[0] if side else 0, position[:, None], np.arange(spec.channels), moved)
    if not hist.any():
        raise UsageError(f"stream {spec.name}: there are no samples to fit")
    rows, counts = cluster(hist + options.backoff * _distribution(_coarser(hist)), options)
    return StaticModel(spec, symbol_counts=counts, symbol_rows=rows)


def choose_thresholds(classes: int, totals: Sequence[Ints]) -> npt.NDArray[np.int32]:
    """[classes-1] rising integers from 1, in geometric steps as far as integers go, the last near the largest totals."""
    if classes == 1:
        return np.zeros(0, np.int32)
    top = float(np.quantile(np.concatenate([t.ravel() for t in totals]), 0.998))

    def steps(ratio: float) -> list[int]:
        out = [1]
        while len(out) < classes - 1:
            out.append(max(out[-1] + 1, int(out[-1] * ratio + 0.5)))
        return out

    ratios = [1 + k / 64 for k in range(256)]
    return np.array(min((steps(r) for r in ratios), key=lambda s: abs(s[-1] - top)), np.int32)


def cluster(hist: Floats, options: FitOptions) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint32]]:
    """For histograms [..., A] of positive sums: which table each uses, [...], and the tables' counts [K, A]."""
    flat = hist.reshape(-1, hist.shape[-1])
    mass = flat.sum(1)
    spread = (flat @ np.abs(np.arange(flat.shape[1]) - flat.shape[1] // 2)) / mass  # orders rows from peaked to wide
    lean = (flat @ np.arange(flat.shape[1])) / mass
    bits = mass * -(_distribution(flat) * np.log2(_distribution(flat) + 1e-12)).sum(1)
    order = np.lexsort((lean, spread))
    share = np.cumsum(bits[order] + 1e-3 * bits.sum() / len(bits))
    tables = min(options.tables, len(flat))
    rows = np.empty(len(flat), np.int64)
    rows[order] = np.minimum((share / share[-1] * tables).astype(np.int64), tables - 1)
    for _ in range(options.rounds):
        centres = _centres(flat, rows, tables, options.tail)
        moved = np.argmin(flat @ -np.log2(centres.T), axis=1)
        if (moved == rows).all():
            break
        rows = moved
    used, rows = np.unique(rows, return_inverse=True)
    counts = np.maximum(1, np.rint(_centres(flat, rows, len(used), options.tail) * TOTAL)).astype(np.uint32)
    return rows.reshape(hist.shape[:-1]).astype(np.uint16), counts


def _centres(flat: Floats, rows: Ints, tables: int, tail: float) -> Floats:
    """The distribution [tables, A] of each cluster, with its heavy tail."""
    sums = np.zeros((tables, flat.shape[1]))
    np.add.at(sums, rows, flat)
    distance = np.abs(np.arange(flat.shape[1]) - np.argmax(sums, axis=1)[:, None])
    heavy = 1.0 / (1 + distance) ** 2
    return _distribution(sums + tail * heavy / heavy.sum(1, keepdims=True))


def _coarser(hist: Floats) -> Floats:
    """What backs a row [side, class, channel] up: the channels near it, of all sides, and less of the classes beside it."""
    over = hist.sum(0, keepdims=True)
    channels = hist.shape[2]
    reach = max(1, channels // 20)
    summed = np.pad(np.cumsum(over, axis=2), ((0, 0), (0, 0), (1, 0), (0, 0)))
    low = np.maximum(np.arange(channels) - reach, 0)
    high = np.minimum(np.arange(channels) + reach + 1, channels)
    near = summed[:, :, high] - summed[:, :, low]
    beside = np.pad(near, ((0, 0), (1, 1), (0, 0), (0, 0)))
    near = near + 0.1 * (beside[:, :-2] + beside[:, 2:]) + 1e-6 * over.sum((1, 2), keepdims=True) + 1e-9
    return np.broadcast_to(near, hist.shape)


def _near_contexts(hist: Floats) -> Floats:
    """What backs a row [side, pass, past, around] of classes up: the contexts beside it, and a little of everything."""
    out = 1e-4 * hist.sum((0, 2, 3), keepdims=True) + 1e-3 * hist.sum((0, 2), keepdims=True) + 1e-9
    known = hist[:, :, :-1, :-1]  # the last context is "none", beside nothing
    padded = np.pad(known, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    near = np.zeros_like(hist)
    for dy in range(3):
        for dx in range(3):
            near[:, :, :-1, :-1] += padded[:, :, dy : dy + known.shape[2], dx : dx + known.shape[3]]
    return np.asarray(out + near + hist.sum(0, keepdims=True) * 0.1)


def _class_bits(hist: Floats, rows: Ints, counts: Ints) -> npt.NDArray[np.float32]:
    """[sides, classes]: the mean cost of each class over its contexts."""
    bits = -np.log2(_distribution(counts.astype(np.float64)))[rows]
    return np.asarray((hist * bits).sum((1, 2, 3)) / hist.sum((1, 2, 3)), np.float32)


def _count(hist: Floats, *index: Ints | int) -> None:
    """Adds 1 at every place of the broadcast indices."""
    places = [np.asarray(i, np.int64).ravel() for i in np.broadcast_arrays(*index)]
    where, times = np.unique(np.ravel_multi_index(places, hist.shape), return_counts=True)
    hist.reshape(-1)[where] += times


def _distribution(hist: Floats) -> Floats:
    return np.asarray(hist / hist.sum(-1, keepdims=True))
