"""The linear start of VTok's latents (ours): a key frame and what later frames have on it, painted without a network.

The features F of a frame are of two kinds: what its patches hold (KLT coefficients) and where they lie in the key frame (zero for the
key frame itself). So F(x_t) - F(x_key) is a field of displacements, and what is left once the key frame has been displaced by it. Later
frames go in groups; a group has one field, at its middle frame, and one KLT over its frames. Both are pooled over the picture by a
discrete cosine transform over the patches, of which the strongest coefficients are kept in a fixed order.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vtc.tokenizers.base import fit_klt
from vtc.tokenizers.displacement import between, find_fields, warp
from vtc.tokenizers.layers.patch import PATCH_SIDE, patchify, unpatchify
from vtc.tokenizers.layers.spectrum import from_spectrum, lowest_first, spectrum

FIELD_GAIN = 0.315
"""Of displacements in pixels: an error of one pixel then weighs about as much as one of this size in what is added."""
_PATCH = 3 * PATCH_SIDE**2


@dataclass(frozen=True)
class Frames:
    """Which frame is what in clips of T: `key` int64 `[B]`; `later` int64 `[B, G * n]`, all other frames in their order, the last one
    repeated to fill the last group; `when` float `[B, G * n]`, their distance from the key frame in frames; `at [B, G]`, that of the middle
    frame of each group; `middle` int64 `[G]`, its place in `later`."""

    key: Tensor
    later: Tensor
    when: Tensor
    at: Tensor
    middle: Tensor

    @staticmethod
    def of(key: Tensor, times: Tensor, group: int) -> "Frames":
        """Groups of `group` frames for key frames at index `key [B]` of clips whose frames are at `times [B, T]`."""
        t = times.shape[1]
        groups = groups_of(t, group)
        rank = torch.arange(groups * group, device=key.device).clamp(max=t - 2)
        later = rank + (rank >= key[:, None])
        when = (times.gather(1, later) - times.gather(1, key[:, None])).float()
        middle = (torch.arange(groups, device=key.device) * group + group // 2).clamp(max=t - 2)
        return Frames(key, later, when, when[:, middle], middle)

    def arranged(self, key: Tensor, later: Tensor, frames: int) -> Tensor:
        """`[B, C, T, ...]` from what belongs to the key frame `[B, C, ...]` and to the later ones `[B, C, G * n, ...]`."""
        both = torch.cat((key[:, :, None], later), 2)
        place = torch.arange(frames, device=key.device).expand(len(self.key), -1)
        index = torch.where(place == self.key[:, None], 0, place + (place < self.key[:, None]).long())
        shape = (len(key), 1, frames, *(1,) * (both.ndim - 3))
        return both.gather(2, index.view(shape).expand(-1, both.shape[1], -1, *both.shape[3:]))


def groups_of(frames: int, group: int) -> int:
    """Groups of `group` later frames in a clip of `frames`."""
    return -(-(frames - 1) // group)


class LinearKey(nn.Module):
    """Fixed bases, used in float32; `start` fills them. They are no parameters: the network learns what to add."""

    mean: Tensor
    key_basis: Tensor
    rest_basis: Tensor
    chosen: Tensor
    key_deviation: Tensor
    residual_deviation: Tensor

    def __init__(self, side: int, group: int, key_channels: int, residual_size: int, rest_channels: int) -> None:
        """Clips of `side` x `side` pixels; `residual_size` numbers a group of `group` frames: the field's, then those chosen of
        `rest_channels` KLT coefficients a patch."""
        super().__init__()
        self.cells, self.group = side // PATCH_SIDE, group
        self.field_size = 2 * self.cells**2
        if residual_size < self.field_size:
            raise ValueError(f"{residual_size} numbers cannot hold a field of {self.field_size}")
        self.register_buffer("mean", torch.zeros(_PATCH))
        self.register_buffer("key_basis", torch.zeros(_PATCH, key_channels))
        self.register_buffer("rest_basis", torch.zeros(_PATCH * group, rest_channels))
        self.register_buffer("chosen", torch.arange(residual_size - self.field_size))
        self.register_buffer("key_deviation", torch.ones(key_channels))
        self.register_buffer("residual_deviation", torch.ones(residual_size))

    # -- pixels to latents --------------------------------------------------------------------------------------------

    def key(self, picture: Tensor) -> Tensor:
        """Key latents `[B, gh * gw, C]` of key frames `[B, 3, H, W]`."""
        patches = patchify(picture.float()[:, :, None], 1).flatten(1, 3)
        return (patches - self.mean.float()) @ self.key_basis.float()

    def nearest_to_mean(self, clip: Tensor) -> Tensor:
        """Index `[B]` of the frame whose features are nearest to their mean over clips `[B, 3, T, H, W]`."""
        features = (patchify(clip.float(), 1) @ self.key_basis.float()).flatten(2)
        return (features - features.mean(1, keepdim=True)).square().sum(2).argmin(1)

    def residual(self, clip: Tensor, frames: Frames, picture: Tensor, rounded: Callable[[Tensor], Tensor]) -> Tensor:
        """Residual latents `[B, G, residual_size]` of clips `[B, 3, T, H, W]`. `picture [B, 3, H, W]`: the key frame as decoded;
        `rounded`: what the part that holds the fields, `[B, G, field_size]`, comes back as."""
        fields, left = self.left(clip, frames, picture, rounded)
        whole = spectrum((left @ self.rest_basis.float()).movedim(-1, 2)).flatten(2)
        return torch.cat((fields, whole[..., self.chosen]), -1)

    def left(
        self, clip: Tensor, frames: Frames, picture: Tensor, rounded: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The part of the residual latents that holds the fields, and what the displaced key frame leaves of the later frames, as patches
        `[B, G, gh, gw, 768 n]`."""
        own, later = take(clip, frames.key[:, None])[:, :, 0], take(clip, frames.later)
        told = spectrum(find_fields(own, later[:, :, frames.middle])) * FIELD_GAIN
        latents = told.flatten(3)[..., self._rising()].mT.flatten(2)
        moved = warp(picture, between(self.fields(rounded(latents)), frames.at, frames.when))
        return latents, patchify(later - moved, self.group)

    # -- latents to pixels --------------------------------------------------------------------------------------------

    def picture(self, key: Tensor) -> Tensor:
        """Key frames `[B, 3, H, W]` from key latents."""
        patches = key.float() @ self.key_basis.float().T + self.mean.float()
        return unpatchify(patches.unflatten(1, (1, self.cells, self.cells)), 1)[:, :, 0]

    def fields(self, residual: Tensor) -> Tensor:
        """Fields `[B, G, 2, gh, gw]` in pixels, from residual latents `[B, G, residual_size]`."""
        told = residual[..., : self.field_size].unflatten(-1, (-1, 2)).mT
        return from_spectrum(told[..., self._rising().argsort()].unflatten(-1, (self.cells, self.cells)).float() / FIELD_GAIN)

    def rest(self, residual: Tensor) -> Tensor:
        """What is added to the displaced key frame, `[B, 3, G * n, H, W]`."""
        b, g, _ = residual.shape
        whole = residual.new_zeros(b, g, self.rest_basis.shape[1] * self.cells**2, dtype=torch.float32)
        whole[..., self.chosen] = residual[..., self.field_size :].float()
        patches = from_spectrum(whole.unflatten(2, (-1, self.cells, self.cells))).movedim(2, -1)
        return unpatchify(patches @ self.rest_basis.float().T, self.group)

    def paint(self, picture: Tensor, residual: Tensor, frames: Frames, count: int) -> tuple[Tensor, Tensor]:
        """Clips float32 `[B, 3, T, H, W]` of `count` frames from the decoded key frame and residual latents, and the fields that all
        frames were displaced by, `[B, 2, T, gh, gw]`."""
        fields = between(self.fields(residual), frames.at, frames.when)
        later = warp(picture, fields) + self.rest(residual)
        still = fields.new_zeros(len(fields), *fields.shape[2:])
        return frames.arranged(picture, later, count), frames.arranged(still, fields.transpose(1, 2), count)


    def _rising(self) -> Tensor:
        """The order of a field's frequencies."""
        return lowest_first(self.cells, self.cells).to(self.chosen.device)


def take(clip: Tensor, index: Tensor) -> Tensor:
    """Frames `[B, 3, N, H, W]` of clips `[B, 3, T, H, W]` at `index [B, N]`."""
    b, c, _, h, w = clip.shape
    return clip.gather(2, index.view(b, 1, -1, 1, 1).expand(-1, c, -1, h, w))


@torch.no_grad()
def fit_linear_key(clips: Sequence[Tensor], linear: LinearKey, first: bool) -> None:
    """Fit `linear` in place to training clips float `[3, T, H, W]`: the KLT of frames, that of what displaced key frames leave, and
    which of its coefficients are strongest. `first`: the key frame is the first one, else the one nearest to the mean."""
    patches = torch.cat([patchify(clip[None, :, ::8], 1).reshape(-1, _PATCH) for clip in clips])
    basis, mean = fit_klt(patches, linear.key_basis.shape[1])
    linear.key_basis.copy_(basis)
    linear.mean.copy_(mean)
    linear.key_deviation.copy_(((patches - mean) @ basis).std(0).clamp_min(1e-3))
    found = [_left_of(clip[None], linear, first) for clip in clips]
    sample = torch.cat([rest[:, ::2].flatten(0, 2) for _, rest in found])
    linear.rest_basis.copy_(fit_klt(sample, linear.rest_basis.shape[1])[0])
    whole = torch.cat([spectrum((rest @ linear.rest_basis).movedim(-1, 1)).flatten(1) for _, rest in found])
    linear.chosen.copy_(whole.square().mean(0).argsort(descending=True)[: len(linear.chosen)])
    kept = torch.cat((torch.cat([fields for fields, _ in found]), whole[:, linear.chosen]), 1)
    linear.residual_deviation.copy_(kept.std(0).clamp_min(1e-3))


def _left_of(clip: Tensor, linear: LinearKey, first: bool) -> tuple[Tensor, Tensor]:
    """`LinearKey.left` of one clip `[1, 3, T, H, W]`, without the batch and without rounding."""
    key = torch.zeros(1, dtype=torch.long) if first else linear.nearest_to_mean(clip)
    frames = Frames.of(key, torch.arange(clip.shape[2])[None], linear.group)
    picture = linear.picture(linear.key(take(clip, key[:, None])[:, :, 0]))
    fields, left = linear.left(clip, frames, picture, lambda latents: latents)
    return fields[0], left[0]
