"""How the base layer's encoder codes a slice: what each token refers to, its vectors and its symbols, whichever costs least by squared
error and bits. The decoder needs none of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from vtc.tokenizers import motion, partition
from vtc.tokenizers.layers.patch import PATCH_TIME, patchify
from vtc.tokenizers.motion import ALONE, CONTEXT
from vtc.tokenizers.overlap import Mixed, blended

if TYPE_CHECKING:
    from vtc.tokenizers.base import BaseLayer

_ROWS = 64  # of tokens that are multiplied: always a multiple of these
LARGE = 32  # coefficients, the first, that lose too much when they are rounded to bfloat16
VECTOR_BITS = 9.0  # what a vector of its own costs, about
COMMON_VECTOR_BITS = 4.0  # and the slice's commonest one
PARTED_BITS, PART_BITS = 20.0, 2.0  # what parts must save, and for each octave of a difference: more than they cost, as the network mends
PARTED_LEAST = 30.0  # times step^2 that must be missed, for parts to be looked for
ALONE_LEAST = 3.0, 0.25  # times step^2, and times what a token shows, that its context must miss, for it to be tried alone


@dataclass(frozen=True)
class Search:
    """What `encode` tries beyond its first three vectors, each by its whole cost. `rounds`: how often all vectors may move by half a pixel.
    `neighbours`: whether the vectors found beside a token, and there one slice before, are tried too."""

    rounds: int = 0
    neighbours: bool = False


NO_SEARCH = Search()


class Slice:
    """A slice of patches uint8 `[gh, gw, 3072]` and the cheapest way to code it that is known: `told` int64 `[gh, gw, 3]` (reference, dy,
    dx), `partition` `[gh, gw, 8]` and `symbols` `[gh, gw, C]`, at `cost` `[gh, gw]`. Nothing is known before `stand_alone` or `predict`."""

    def __init__(self, base: "BaseLayer", patches: Tensor, steps: Tensor, basis: tuple[Tensor, Tensor]) -> None:
        """`steps` `[gh, gw]` of its tokens. `basis`: of numbers 0..255, the first coefficients (the large ones) exact, the others for
        speed."""
        self.base, self.steps, (self.first, self.others) = base, steps, basis
        self.patches = patches.to(torch.int16)
        self.cost = torch.full_like(steps, torch.inf)
        self.symbols = steps.new_zeros((*steps.shape, base.config.coefficients))
        self.told = torch.zeros((*steps.shape, 3), dtype=torch.int64, device=steps.device)
        self.partition = self.told.new_zeros((*steps.shape, 2 * partition.PARTS))
        self.missed = self.cost.clone()  # what the context leaves, before anything is coded
        self.mixed: Mixed | None = None

    def _priced(self, rest: Tensor, energy: Tensor, reference: int, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Cost and symbols of tokens of which a `reference` leaves this `rest`, float `[..., 3072]` in numbers of 0..255, of this
        `energy`, with these `steps` `[...]`."""
        u = torch.cat((rest @ self.first, self._rounded(rest)), -1).div_(steps[..., None])
        return self.base.quantise(energy, u, reference, steps)

    def _rounded(self, rest: Tensor) -> Tensor:
        """The other coefficients. Rows are filled up to one of few numbers: for each that it meets, oneDNN keeps a plan and its memory."""
        count = rest[..., 0].numel()
        rows = rest.new_zeros((-(-count // _ROWS) * _ROWS, rest.shape[-1]), dtype=self.others.dtype)
        rows[:count] = rest.flatten(0, -2)
        return (rows @ self.others)[:count].float().unflatten(0, rest.shape[:-1])

    def predict(self, frames: Tensor, last: Tensor, doubled: Tensor, search: Search, before: Tensor | None) -> None:
        """Try no motion, the slice's own vectors and the commonest of them; then what `search` asks for. `frames`: the slice, uint8
        `[3, 4, H, W]`; `last` and `doubled`: the frame before, uint8 `[3, H, W]`, and as `motion.double` gives it; `before`: the vectors
        one slice before."""
        target, last_luma = motion.luma(frames[:, list(motion.SEARCH_FRAMES)]), motion.luma(last)
        doubled_luma = motion.double(last_luma[None])
        found = motion.search(target, last_luma, doubled_luma)
        self._try_still(last)
        self._try(doubled, found, VECTOR_BITS)
        self._try(doubled, found.flatten(0, 1).mode(0).values.expand_as(found), COMMON_VECTOR_BITS)
        if search.neighbours:
            for vectors in (*motion.beside(found), *(() if before is None else (before[..., 1:].long(),))):
                self._try(doubled, vectors, VECTOR_BITS)
        for _ in range(search.rounds):
            start = self.told[..., 1:].clone()
            for move in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                moved = start + torch.tensor(move, device=start.device)
                self._try(doubled, moved.clamp_(-motion.VECTOR_BOUND, motion.VECTOR_BOUND), VECTOR_BITS)
        self.stand_alone()
        if self.base.config.overlap:
            self._overlap(doubled)
        self._part(doubled, target, doubled_luma)

    def stand_alone(self) -> None:
        """Let tokens stand alone where that is cheaper; not tried where the context leaves little of what they show."""
        at = places(self.missed > ALONE_LEAST[0] * self.steps.square())
        rest = self.patches[at] - (self.base.mean + 1) * 127.5
        energy = _energy(rest)
        promising = self.missed[at] > ALONE_LEAST[1] * energy
        at, rest, energy = (at[0][promising], at[1][promising]), rest[promising], energy[promising]
        price, symbols = self._priced(rest, energy, ALONE, self.steps[at])
        better = price < self.cost[at]
        there = at[0][better], at[1][better]
        self.cost[there], self.symbols[there] = price[better], symbols[better]
        self.told[there] = self.told.new_tensor((ALONE, 0, 0))

    def _part(self, doubled: Tensor, target: Tensor, doubled_luma: Tensor) -> None:
        """Tokens of which so much is missed that it may pay get vectors for their four parts, where that is cheaper."""
        at = places((self.told[..., 0] == CONTEXT) & (self.missed > PARTED_LEAST * self.steps.square()))
        found = torch.zeros_like(self.partition)
        found[at] = partition.search(target, doubled_luma, self.told[..., 1:], at)
        at, rest, missed = self._parted(doubled, found)
        promising = missed < self.missed[at]  # as for whole tokens
        at = at[0][promising], at[1][promising]
        better = self._priced_parts(found, at, rest[promising], missed[promising])[0] < self.cost[at]
        there = at[0][better], at[1][better]
        self.partition[there] = found[there]
        at, rest, missed = self._parted(doubled, self.partition)  # again, for parts are blended with others that stay whole
        self.cost[at], self.symbols[at] = self._priced_parts(self.partition, at, rest, missed)

    def _parted(self, doubled: Tensor, parts: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor, Tensor]:
        """Places of the tokens in `parts` `[gh, gw, 8]`, what their contexts leave and its energy."""
        leaning = self.told[..., 0] == CONTEXT
        at, contexts = partition.contexts(doubled, self.told[..., 1:], parts, leaning, self.base.config.overlap)
        rest = (self.patches[at] - contexts.flatten(1)).float()
        return at, rest, _energy(rest)

    def _priced_parts(
        self, parts: Tensor, at: tuple[Tensor, Tensor], rest: Tensor, energy: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`_priced` of the tokens `at` some places with a context in `parts`, with the bits of these and of the vectors."""
        steps = self.steps[at]
        price, symbols = self._priced(rest, energy, CONTEXT, steps)
        bits = VECTOR_BITS * self.told[at][:, 1:].any(-1) + PARTED_BITS + PART_BITS * torch.log2(1.0 + parts[at].abs()).sum(-1)
        return price + self.base.config.lagrangian * bits * steps.square(), symbols

    def _overlap(self, doubled: Tensor) -> None:
        """Now that all vectors are chosen, the symbols of those tokens whose neighbours have others, for the context as it will be."""
        self.mixed = at, mixed = blended(doubled, self.told[..., 1:], self.told[..., 0] == CONTEXT)
        rest, steps = (self.patches[at] - mixed.flatten(1)).float(), self.steps[at]
        self.missed[at] = _energy(rest)
        price, self.symbols[at] = self._priced(rest, self.missed[at], CONTEXT, steps)
        moves = self.told[at][:, 1:].any(-1)
        self.cost[at] = price + self.base.config.lagrangian * VECTOR_BITS * moves * steps.square()

    def _try_still(self, last: Tensor) -> None:
        """Refer to the last frame as it is."""
        frame = patchify(last[None, :, None], 1)[0, 0].unflatten(-1, (3, 1, -1))
        rest = (self.patches.unflatten(-1, (3, PATCH_TIME, -1)) - frame).flatten(2).float()
        self.missed = _energy(rest)
        self.cost, self.symbols = self._priced(rest, self.missed, CONTEXT, self.steps)

    def _try(self, doubled: Tensor, vectors: Tensor, bits: float) -> None:
        """Give tokens these `vectors` `[gh, gw, 2]`, which cost so many bits, where they are others than they have, and cheaper."""
        at = places((vectors != self.told[..., 1:]).any(-1))
        rest = (self.patches[at] - motion.fetch(doubled, vectors[at], at=at).flatten(1)).float()
        missed = _energy(rest)
        promising = missed < self.missed[at]  # what is no nearer to the pixels is hardly ever cheaper
        at, rest, missed = (at[0][promising], at[1][promising]), rest[promising], missed[promising]
        steps = self.steps[at]
        price, symbols = self._priced(rest, missed, CONTEXT, steps)
        price = price + self.base.config.lagrangian * bits * steps.square()
        better = price < self.cost[at]
        there = at[0][better], at[1][better]
        self.cost[there], self.symbols[there], self.missed[there] = price[better], symbols[better], missed[better]
        self.told[there] = F.pad(vectors[there], (1, 0), value=CONTEXT)


def places(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns, int64 `[n]`, where a mask `[gh, gw]` is true."""
    rows, columns = mask.nonzero(as_tuple=True)
    return rows, columns


def _energy(rest: Tensor) -> Tensor:
    """Sums of squares `[...]` of differences `[..., N]` in numbers of 0..255, in units of pixels in [-1, 1]."""
    return torch.linalg.vector_norm(rest, dim=-1).div_(127.5).square_()
