"""The linear start of CoordTok's planes (ours): what three planes can hold of a clip by three KLTs, without a network.

xy keeps the mean picture over time, cell by cell. yt and xt keep what it leaves: yt in strips a cell wide and as tall as the frame, xt in
strips a cell tall and as wide as the frame, both a few frames long; xt comes after yt and codes what that left. A cell's channels are the
coefficients of its piece. Pieces are flattened in the order of the decoder's patches, (frame, row, column, RGB).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import ceil, floor

import torch
from torch import Tensor, nn

from vtc.tokenizers.contract import Query
from vtc.tokenizers.coordinate import RIM
from vtc.tokenizers.layers.patch import as_float

_TOGETHER = 8  # frames that are looked at together, or a slot where it is longer

Planes = tuple[Tensor, Tensor, Tensor]
"""xy (row, column), yt (time, column), xt (time, row): each `[B, first axis, second axis, C]`."""


class LinearPlanes(nn.Module):
    """Fixed bases, used in float32; `start` fills them. They are no parameters: the network learns what to add to them."""

    mean: Tensor
    basis_xy: Tensor
    basis_yt: Tensor
    basis_xt: Tensor
    deviation: Tensor

    def __init__(self, size: tuple[int, int, int], shapes: Sequence[tuple[int, int, int]]) -> None:
        """`size` of a clip (frames, height, width; square frames), `shapes` of xy, yt and xt: (first axis, second axis, channels)."""
        super().__init__()
        frames, side, _ = size
        (cells, _, own), (slots, _, shared), _ = shapes
        self.frames, self.side, self.cells, self.slots = frames, side, cells, slots
        self.cell, self.slot = side // cells, frames // slots
        square, strip = 3 * self.cell**2, 3 * self.slot * side * self.cell
        self.register_buffer("mean", torch.zeros(square))
        self.register_buffer("basis_xy", torch.zeros(square, own))
        self.register_buffer("basis_yt", torch.zeros(strip, shared))
        self.register_buffer("basis_xt", torch.zeros(strip, shared))
        self.register_buffer("deviation", torch.ones(own + 2 * shared))

    def start(self, mean: Tensor, bases: Planes, deviation: Tensor) -> None:
        """Take the mean of the squares, the bases of xy, yt and xt (orthonormal columns), and the standard deviation of every channel."""
        for own, given in ((self.mean, mean), (self.deviation, deviation)):
            own.copy_(given)
        for own, given in zip((self.basis_xy, self.basis_yt, self.basis_xt), bases):
            own.copy_(given)

    def analyse(self, clip: Tensor) -> Planes:
        """Planes float32 of a clip `[B, 3, T, H, W]`, in [-1, 1] or uint8, some slots at a time: a long clip is much in floats."""
        parts = clip.split(max(1, _TOGETHER // self.slot) * self.slot, 2)
        picture = torch.stack([as_float(part).sum(2) for part in parts]).sum(0) / self.frames
        xy = (self.squares(picture) - self.mean.float()) @ self.basis_xy.float()
        rows, columns = [], []
        for part in parts:
            rest = as_float(part) - picture[:, :, None]
            columns.append(self.strips_yt(rest) @ self.basis_yt.float())
            rows.append(self.strips_xt(rest) @ self.basis_xt.float())
        yt, xt = torch.cat(columns, 1), torch.cat(rows, 1)
        return xy, yt, xt - torch.einsum("bsjc,ijcd->bsid", yt, self._overlap())

    def squares(self, picture: Tensor) -> Tensor:
        """The pieces of xy: `[B, 3, H, W]` to `[B, cells, cells, n]`."""
        pieces = picture.unflatten(3, (self.cells, self.cell)).unflatten(2, (self.cells, self.cell))
        return pieces.permute(0, 2, 4, 3, 5, 1).flatten(3)

    def strips_yt(self, rest: Tensor) -> Tensor:
        """The pieces of yt: `[B, 3, T, H, W]` to `[B, slots, cells, n]`, columns side by side."""
        pieces = rest.unflatten(4, (self.cells, self.cell)).unflatten(2, (-1, self.slot))
        return pieces.permute(0, 2, 5, 3, 4, 6, 1).flatten(3)

    def strips_xt(self, rest: Tensor) -> Tensor:
        """The pieces of xt: `[B, 3, T, H, W]` to `[B, slots, cells, n]`, one below the other."""
        pieces = rest.unflatten(3, (self.cells, self.cell)).unflatten(2, (-1, self.slot))
        return pieces.permute(0, 2, 4, 3, 5, 6, 1).flatten(3)

    def patches(self, planes: Planes, index: Tensor) -> Tensor:
        """Patches `[B, N, P]` at grid places `index` int64 `[B, N, 3]` (slot, row, column); a patch is a cell by a cell, a slot long."""
        t, x, y = index.unbind(-1)
        xy, yt, xt = planes
        by_row, by_column = (basis.flatten(0, 1) for basis in self._by_cell())
        rows, columns = _spread(_at(yt, t, y), x, self.cells), _spread(_at(xt, t, x), y, self.cells)
        # Added up where they are: patches at many places are the largest arrays in training.
        basis, mean = self.basis_xy.float().T.repeat(1, self.slot), self.mean.float().repeat(self.slot)
        patches = torch.addmm(mean, _at(xy, x, y).flatten(0, 1), basis)
        patches.addmm_(rows.flatten(0, 1), by_row).addmm_(columns.flatten(0, 1), by_column)
        return patches.unflatten(0, t.shape)

    def picture(self, planes: Planes, query: Query) -> tuple[Tensor, Query]:
        """The part of the clip float32 `[B, 3, T', H', W']` that a query touches, and the query as that part sees it."""
        rim = RIM if query.factor > 1 else 0
        rows, columns = (
            _cover(first - rim, first + length + rim, self.cell, self.cells)
            for first, length in ((query.top, query.height), (query.left, query.width))
        )
        last = min(query.times[-1], self.frames - 1)
        slots = _cover(floor(min(query.times[0], last)), ceil(last) + 1, self.slot, self.slots)
        xy, yt, xt = (plane.float() for plane in planes)
        by_row, by_column = self._by_cell()
        square = xy[:, rows, columns] @ self.basis_xy.float().T + self.mean.float()
        shape = self.slot, self.cell, self.cell, 3
        clip = square.unflatten(3, (1, *shape[1:]))[:, None].expand(-1, 1, -1, -1, self.slot, -1, -1, -1)
        clip = clip + torch.einsum("bsjc,icp->bsijp", yt[:, slots, columns], by_row[rows]).unflatten(4, shape)
        clip = clip + torch.einsum("bsic,jcp->bsijp", xt[:, slots, rows], by_column[columns]).unflatten(4, shape)
        # [B, slots, rows, columns, frame, row, column, RGB] to a clip.
        clip = clip.permute(0, 7, 1, 4, 2, 5, 3, 6).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        moved = replace(
            query,
            times=tuple(max(0.0, min(time, self.frames - 1.0) - slots.start * self.slot) for time in query.times),
            top=query.top - rows.start * self.cell,
            left=query.left - columns.start * self.cell,
        )
        return clip, moved

    def normalised(self, planes: Planes) -> Planes:
        """Planes with channels of about unit size."""
        own, shared = self.basis_xy.shape[1], self.basis_yt.shape[1]
        xy, yt, xt = self.deviation.float().split((own, shared, shared))
        return planes[0] / xy, planes[1] / yt, planes[2] / xt

    def _by_cell(self) -> tuple[Tensor, Tensor]:
        """The bases of yt by row of cells, of xt by column: `[cells, C, P]`."""
        frames, cell, cells = self.slot, self.cell, self.cells
        yt = self.basis_yt.float().unflatten(0, (frames, cells, cell, cell, 3)).permute(1, 5, 0, 2, 3, 4)
        xt = self.basis_xt.float().unflatten(0, (frames, cell, cells, cell, 3)).permute(2, 5, 0, 1, 3, 4)
        return yt.flatten(2), xt.flatten(2)

    def _overlap(self) -> Tensor:
        """What xt would see of yt: `[cells (row), cells (column), C of yt, C of xt]`."""
        yt, xt = self._by_cell()
        return torch.einsum("icp,jdp->ijcd", yt, xt)


def _at(plane: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Cells `[B, N, C]` of a plane at indices `[B, N]`."""
    index = first * plane.shape[2] + second
    return plane.flatten(1, 2).gather(1, index[..., None].expand(-1, -1, plane.shape[3]))


def _spread(cells: Tensor, place: Tensor, count: int) -> Tensor:
    """`[B, N, C]` to `[B, N, count * C]`: each in the block of its place, zeros elsewhere."""
    own = (place[..., None] == torch.arange(count, device=place.device)).to(cells.dtype)
    return (own[..., None] * cells[:, :, None]).flatten(2)


def _cover(begin: int, end: int, unit: int, count: int) -> slice:
    """The units of `unit` that touch begin ... end - 1, within the first `count`."""
    return slice(max(0, begin // unit), min(count, -(-end // unit)))


def fit_bases(clips: Iterable[Tensor], planes: LinearPlanes, every: int = 1) -> None:
    """Fit `planes` in place to training clips float `[3, T, H, W]`: the KLT of squares, of strips yt, then of strips xt in what yt left;
    and the deviations. Of each clip, one slot in `every` is looked at."""
    squares, rests = [], []
    for number, clip in enumerate(clips):
        picture = clip.mean(1, keepdim=True)
        squares.append(planes.squares(picture[None, :, 0]).flatten(0, 2))
        slots = (clip - picture).unflatten(1, (planes.slots, planes.slot))[:, number % every :: every]
        rests.append(slots.flatten(1, 2)[None])
    pieces = torch.cat(squares)
    mean = pieces.mean(0)
    basis_xy = _klt(pieces - mean, planes.basis_xy.shape[1])
    strips = torch.cat([planes.strips_yt(rest).flatten(0, 2) for rest in rests])
    basis_yt = _klt(strips, planes.basis_yt.shape[1])
    yt = strips @ basis_yt
    left = [rest - picture for rest, picture in zip(rests, _from_strips(planes, strips=yt @ basis_yt.T, like=rests))]
    strips = torch.cat([planes.strips_xt(rest).flatten(0, 2) for rest in left])
    basis_xt = _klt(strips, planes.basis_xt.shape[1])
    deviation = torch.cat([((pieces - mean) @ basis_xy).std(0), yt.std(0), (strips @ basis_xt).std(0)])
    planes.start(mean, (basis_xy, basis_yt, basis_xt), deviation.clamp_min(1e-3))


def _from_strips(planes: LinearPlanes, strips: Tensor, like: Sequence[Tensor]) -> Iterator[Tensor]:
    """Strips yt of several clips back to pictures `[1, 3, T, H, W]`."""
    for part in strips.split([planes.cells * clip.shape[2] // planes.slot for clip in like]):
        shape = -1, planes.cells, planes.slot, planes.side, planes.cell, 3
        yield part.reshape(shape).permute(5, 0, 2, 3, 1, 4).flatten(4, 5).flatten(1, 2)[None]


def _klt(pieces: Tensor, channels: int) -> Tensor:
    """The first `channels` principal directions of centred pieces `[N, n]`, `[n, channels]`, largest variance first."""
    torch.manual_seed(0)  # of the random start of the iteration
    _, _, directions = torch.svd_lowrank(pieces, min(channels + 16, *pieces.shape), niter=2)
    return directions[:, :channels]
