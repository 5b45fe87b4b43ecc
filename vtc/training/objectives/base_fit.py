"""The base layer before any training: its KLT, the prices of its symbols and their entropy tables, from sampled videos."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vtc.entropy import StaticModel, StreamSpec, fit_grid
from vtc.tokenizers.base import BaseLayer, BaseSegment, fit_klt
from vtc.tokenizers.contract import Stream
from vtc.tokenizers.layers.length import motion_score
from vtc.tokenizers.layers.patch import PATCH_SIZE, patchify, to_float

FIT_STEPS = (0.2, 0.4, 0.7, 1.2, 2.2)
_KLT_PATCHES = 120_000

Say = Callable[[str], None]


@dataclass(frozen=True)
class BaseFit:
    """Entropy models of the streams `motion` and `structural`, and mean and deviation of the motion score."""

    models: dict[str, StaticModel]
    motion_statistics: tuple[float, float]


def spec_of(stream: Stream) -> StreamSpec:
    """What the entropy coder must know of a stream."""
    return StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, stream.classes, stream.sides)


def fit_base(base: BaseLayer, streams: Sequence[Stream], clips: Sequence[np.ndarray], say: Say) -> BaseFit:
    """Fit `base` in place to clips uint8 `[T, 3, H, W]`: KLT, then twice symbols, tables and the prices that choices are made by."""
    by_name = {stream.name: stream for stream in streams}
    videos = [torch.from_numpy(np.ascontiguousarray(clip.swapaxes(0, 1))) for clip in clips]
    patches = _sample_patches(videos)
    basis, mean = fit_klt(patches, base.config.coefficients)
    base.basis.copy_(basis.half())  # as they will be stored
    base.mean.copy_(mean.half())
    say(f"KLT of {len(patches)} patches from {len(videos)} videos")
    models: dict[str, StaticModel] = {}
    for turn in range(2):
        samples = [(step, encode_run(base, video, step)) for step in FIT_STEPS for video in videos[turn::2]]
        models = {
            "motion": fit_grid(spec_of(by_name["motion"]), [(run.motion.numpy(), None) for _, run in samples]),
            "structural": fit_grid(
                spec_of(by_name["structural"]),
                [(run.structural.numpy(), side_map(base, run.motion, step)) for step, run in samples],
            ),
        }
        price(base, models["structural"])
        say(
            f"entropy tables of the base layer, turn {turn + 1} of 2, from {sum(run.motion[..., 0].numel() for _, run in samples)} tokens"
        )
    scores = torch.cat(
        [motion_score(to_float(part)[None]) for video in videos for part in video.split(16, 1) if part.shape[1] > 1]
    )
    return BaseFit(models, (scores.mean().item(), scores.std().item()))


def price(base: BaseLayer, structural: StaticModel) -> None:
    """Give the base layer the prices of the entropy model that will code its symbols."""
    bits, rows = structural.bit_table()
    padded = np.full(tuple(base.symbol_bits.shape), 32.0, np.float32)
    padded[: len(bits)] = bits
    floor = np.concatenate(([0], structural.thresholds))
    base.set_costs(
        *(torch.from_numpy(np.asarray(a)) for a in (padded, rows.astype(np.int64), floor, structural.class_bits()))
    )


def encode_run(base: BaseLayer, video: Tensor, step: float) -> BaseSegment:
    """One group over a whole video uint8 `[3, T, H, W]`."""
    return base.encode(video, None, step)


def side_map(base: BaseLayer, motion: Tensor, step: float) -> np.ndarray:
    """The side `[S, gh, gw]` of every token for the structural stream's entropy model."""
    with_context, alone = base.sides(step)
    return np.where(motion[..., 0].numpy() == 0, with_context, alone)


def _sample_patches(videos: Sequence[Tensor]) -> Tensor:
    """Patches spread evenly over all videos, `[N, 3072]`."""
    share = max(1, _KLT_PATCHES // len(videos))
    generator = torch.Generator().manual_seed(0)
    rows = []
    for video in videos:
        whole = patchify(to_float(video[:, : video.shape[1] // 4 * 4])[None]).reshape(-1, PATCH_SIZE)
        rows.append(whole[torch.randperm(len(whole), generator=generator)[:share]])
    return torch.cat(rows)
