"""The base layer: a predictive KLT with motion (DESIGN.md, Prediction; after VTok's F(x_t) - F(x_key), with motion added).

Slices of 4 frames are coded in order. Each 4x16x16 token stands alone or refers to its context, the last decoded frame displaced by the
token's vector, or by those of its four parts (partition.py); the KLT codes the difference, each token with a step of its own (steps.py).
The loop closes on this linear reconstruction, rounded to 8 bits after every slice, so that floats of different devices cannot drift
apart, and filtered (deblock.py). Works on whole frames; nothing here is learned but the KLT and the symbol statistics.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vtc.tokenizers import motion, partition
from vtc.tokenizers.choice import LARGE, NO_SEARCH, Search, Slice
from vtc.tokenizers.deblock import deblock
from vtc.tokenizers.layers.patch import PATCH_SIZE, PATCH_TIME, patchify, to_float, to_uint8, unpatchify
from vtc.tokenizers.layers.precision import inference_dtype
from vtc.tokenizers.motion import CONTEXT
from vtc.tokenizers.overlap import Mixed, blended
from vtc.tokenizers.steps import FACTORS

STRUCTURAL_BOUND = 255
STEP_EDGES = (0.5, 0.9, 1.5)  # symbols have other statistics at other steps
SIDES = 2 * (len(STEP_EDGES) + 1)
TOLD = 4  # channels of `BaseLayer.side`


@dataclass(frozen=True)
class BaseConfig:
    """`coefficients` of the KLT that are coded; `lagrangian` weighs a bit against squared error in units of step^2;
    `dead_zone` is the rounding offset before the choice by cost (0.5 would be plain rounding). `overlap`: contexts are blended with
    those of the neighbours (overlap.py)."""

    coefficients: int = 400
    lagrangian: float = 0.09
    dead_zone: float = 0.40
    overlap: bool = False


@dataclass(frozen=True)
class BaseSegment:
    """int16 `[S, gh, gw, channels]`: `motion` (reference, dy, dx), `finer` (1, see steps.py), `partition` (8, see partition.py) and
    `structural` (C); `frames` uint8 `[3, T, H, W]`."""

    motion: Tensor
    finer: Tensor
    partition: Tensor
    structural: Tensor
    frames: Tensor


class BaseLayer(nn.Module):
    """The KLT, its mean and the costs of symbols. Sizes are multiples of 16 in space and of 4 in time."""

    basis: Tensor
    mean: Tensor
    symbol_bits: Tensor
    symbol_rows: Tensor
    class_floor: Tensor
    class_bits: Tensor

    def __init__(self, config: BaseConfig, classes: int, tables: int) -> None:
        """`classes` activity classes and `tables` symbol tables of the entropy model whose costs `set_costs` will bring."""
        super().__init__()
        self.config = config
        c = config.coefficients
        self.register_buffer("basis", torch.zeros(PATCH_SIZE, c))
        self.register_buffer("mean", torch.zeros(PATCH_SIZE))
        size = torch.arange(-STRUCTURAL_BOUND, STRUCTURAL_BOUND + 1).abs()
        guess = 2 * torch.log2(1.0 + size) + 2.5 * (size > 0)
        self.register_buffer("symbol_bits", guess.expand(tables, -1).clone())
        self.register_buffer("symbol_rows", torch.zeros(SIDES, classes, c, dtype=torch.int64))
        self.register_buffer("class_floor", torch.arange(classes))
        self.register_buffer("class_bits", torch.full((SIDES, classes), 2.0))

    def set_costs(self, bits: Tensor, rows: Tensor, class_floor: Tensor, class_bits: Tensor) -> None:
        """Costs of a fitted entropy model, in place of the first guess: bits `[tables, 511]`, the table of (side, class, channel),
        the least sum of magnitudes of each class, and the mean price of telling (side, class)."""
        self.symbol_bits.copy_(bits)
        self.symbol_rows.copy_(rows)
        self.class_floor.copy_(class_floor)
        self.class_bits.copy_(class_bits)

    @torch.no_grad()
    def encode(
        self, frames: Tensor, last: Tensor | None, step: float, search: Search = NO_SEARCH, finer: Tensor | None = None
    ) -> BaseSegment:
        """Code a clip uint8 `[3, T, H, W]` after the decoded frame `last` uint8 `[3, H, W]` (None: it stands alone). `step` is the
        quantiser's step, in units of pixels in [-1, 1]; tokens are so much `finer`, whole numbers `[S, gh, gw]` (None: none is)."""
        scaled = self.basis / 127.5
        basis = scaled[:, :LARGE].contiguous(), scaled[:, LARGE:].to(inference_dtype(frames.device))
        patches = patchify(frames[None])[0]
        if finer is None:
            finer = torch.zeros(patches.shape[:3], dtype=torch.int16, device=frames.device)
        vectors: list[Tensor] = []
        parts, symbols, decoded = [], [], []
        for number, steps in enumerate(self.steps(finer, step)):
            part = slice(PATCH_TIME * number, PATCH_TIME * (number + 1))
            slice_ = Slice(self, patches[number], steps, basis)
            doubled = None if last is None else motion.double(last)
            if last is None or doubled is None:
                slice_.stand_alone()
            else:
                slice_.predict(frames[:, part], last, doubled, search, vectors[-1] if vectors else None)
            v, p, z = (told.to(torch.int16) for told in (slice_.told, slice_.partition, slice_.symbols))
            decoded.append(self._decode_slice(v, p, z, doubled, steps, slice_.mixed))
            vectors.append(v)
            parts.append(p)
            symbols.append(z)
            last = decoded[-1][:, -1]
        return BaseSegment(
            torch.stack(vectors), finer[..., None].to(torch.int16), torch.stack(parts), torch.stack(symbols), torch.cat(decoded, 1)
        )

    @torch.no_grad()
    def decode(self, vectors: Tensor, finer: Tensor, parts: Tensor, symbols: Tensor, last: Tensor | None, step: float) -> Tensor:
        """The frames uint8 `[3, T, H, W]` that `encode` gave, from its symbols."""
        decoded = []
        for v, p, z, steps in zip(vectors, parts, symbols, self.steps(finer[..., 0], step), strict=True):
            decoded.append(self._decode_slice(v, p, z, None if last is None else motion.double(last), steps))
            last = decoded[-1][:, -1]
        return torch.cat(decoded, 1)

    @staticmethod
    def steps(finer: Tensor, step: float) -> Tensor:
        """`steps_of` for tensors."""
        return torch.from_numpy(FACTORS).to(finer.device)[finer.long()] * step

    @staticmethod
    def side(vectors: Tensor, symbols: Tensor, coarser: Tensor) -> Tensor:
        """What the network is told of the tokens, float `[4, S, gh, gw]` of about unit size: alone or not, how much was coded,
        how far it moved, and by how many octaves its step is `coarser` `[S, gh, gw]` than the one that is told for all."""
        coded = torch.log2(1 + symbols.abs().sum(-1, dtype=torch.float32)) / 4
        moved = torch.log2(1 + vectors[..., 1:].abs().sum(-1, dtype=torch.float32)) / 4
        return torch.stack((vectors[..., 0].float(), coded, moved, coarser))

    def _decode_slice(
        self,
        vectors: Tensor,
        parts: Tensor,
        symbols: Tensor,
        doubled: Tensor | None,
        steps: Tensor,
        mixed: Mixed | None = None,
    ) -> Tensor:
        """uint8 `[3, 4, H, W]` from the symbols of one slice, after a frame as `motion.double` gives it. `steps` `[gh, gw]`: of its tokens.
        `mixed`: what `blended` gives for it, where that is known already."""
        prediction = self.mean
        if doubled is not None:
            leaning = vectors[..., 0] == CONTEXT
            context = self._contexts(doubled, vectors[..., 1:], parts, leaning, mixed)
            prediction = torch.where(leaning[..., None], context, self.mean)
        patches = prediction.expand(*symbols.shape[:2], -1).clone()
        coded = symbols.any(-1)
        at = coded.nonzero(as_tuple=True)
        used = symbols.flatten(0, 1).any(0).nonzero()[:, 0]
        patches[at] += (symbols[at][:, used] * steps[at][:, None]) @ self.basis.T[used]
        picture = to_uint8(unpatchify(patches[None, None])[0])
        return deblock(picture.to(torch.int16), coded, steps).to(torch.uint8) if len(used) else picture

    def _contexts(
        self, doubled: Tensor, vectors: Tensor, parts: Tensor, leaning: Tensor, mixed: Mixed | None
    ) -> Tensor:
        """What the tokens of a slice refer to, float `[gh, gw, 3072]` in [-1, 1]: the last frame (`motion.double`), displaced by `vectors`
        `[gh, gw, 2]`, or in `parts` `[gh, gw, 8]`, blended with its neighbours among the `leaning` `[gh, gw]`."""
        blocks = motion.fetch(doubled, vectors)
        if self.config.overlap:
            at, contexts = mixed or blended(doubled, vectors, leaning)
            blocks[at] = contexts
        at, contexts = partition.contexts(doubled, vectors, parts, leaning, self.config.overlap)
        blocks[at] = contexts
        return to_float(blocks.flatten(2))

    def quantise(self, energy: Tensor, u: Tensor, reference: int, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Cost (squared error + lagrangian step^2 bits) `[...]` and symbols `[..., C]` of differences whose squares sum to `energy` `[...]`
        and whose coefficients are `u` `[..., C]`, in units of the tokens' `steps` `[...]`.

        Dead-zone rounding tells the token's class; under the prices of that class each symbol may then shrink by one, and the whole
        token may be dropped.
        """
        side = self.sides(steps) + reference
        weight, magnitude = self.config.lagrangian, u.abs()
        size = (magnitude + self.config.dead_zone).floor_().clamp_(max=STRUCTURAL_BOUND)
        smaller = (size - 1).clamp_(min=0)
        tables = self._tables(side, self._activity(size))
        price = (magnitude - size).square_().add_(self.bits(tables, size), alpha=weight)
        price_smaller = (magnitude - smaller).square_().add_(self.bits(tables, smaller), alpha=weight)
        size = torch.where(price_smaller < price, smaller, size)
        activity = self._activity(size)
        bits = self.bits(self._tables(side, activity), size).sum(-1) + self.class_bits[side, activity]
        error = (magnitude - size).square_().sum(-1)
        inside = magnitude.square_().sum(-1)
        coded, dropped = error + weight * bits, inside + weight * self.class_bits[side, 0]
        size = size * (coded < dropped)[..., None]
        return energy + (torch.minimum(coded, dropped) - inside) * steps * steps, size * u.sign()

    @staticmethod
    def sides(steps: Tensor) -> Tensor:
        """int64 `[...]`: sides of the structural stream's entropy model for tokens with a context of these `steps` `[...]`; one more is
        that of those alone."""
        return 2 * torch.bucketize(steps, torch.tensor(STEP_EDGES, device=steps.device))

    def prices(self, vectors: Tensor, finer: Tensor, symbols: Tensor, step: float) -> tuple[Tensor, Tensor]:
        """Of `symbols [..., gh, gw, C]` with `vectors [..., gh, gw, 3]`, `finer [..., gh, gw, 1]` than `step`: what each token costs, in
        bits, and the table of each symbol, for `bits`."""
        size = symbols.abs()
        activity = self._activity(size)
        side = self.sides(self.steps(finer[..., 0], step)) + vectors[..., 0]
        tables = self._tables(side, activity)
        return self.bits(tables, size).sum(-1) * (activity > 0) + self.class_bits[side, activity], tables

    def _activity(self, size: Tensor) -> Tensor:
        return torch.bucketize(size.sum(-1).long(), self.class_floor, right=True) - 1

    def _tables(self, side: Tensor, activity: Tensor) -> Tensor:
        """Where in all `symbol_bits` the tables of tokens of these sides and classes `[...]` have their zeros: int32 `[..., C]`."""
        zeros = (self.symbol_rows * (2 * STRUCTURAL_BOUND + 1) + STRUCTURAL_BOUND).to(torch.int32).flatten(0, 1)
        row = side * self.symbol_rows.shape[1] + activity
        return zeros.index_select(0, row.flatten()).unflatten(0, row.shape)

    def bits(self, tables: Tensor, size: Tensor) -> Tensor:
        """What symbols of these magnitudes cost in these `tables`, in bits."""
        return self.symbol_bits.flatten().index_select(0, (tables + size.to(torch.int32)).flatten()).view(size.shape)


def fit_klt(patches: Tensor, coefficients: int) -> tuple[Tensor, Tensor]:
    """The KLT (PCA) of training patches `[N, 3072]`: orthonormal basis `[3072, coefficients]`, largest variance first, and
    mean `[3072]`."""
    mean = patches.mean(0)
    centred = patches - mean
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    return vectors.flip(1)[:, :coefficients].contiguous(), mean
