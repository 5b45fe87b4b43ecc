"""The base layer before any training: its KLT, the prices of its symbols and their entropy tables, from sampled videos."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from vtc.codec.ground import inherited
from vtc.codec.lookahead import finer, look
from vtc.codec.streams import BASE_STREAMS, SIDE_OF
from vtc.entropy import StaticModel, StreamSpec, fit_grid
from vtc.errors import VtcError
from vtc.tokenizers.base import BaseLayer, BaseSegment, fit_klt
from vtc.tokenizers.contract import Stream
from vtc.tokenizers.layers.length import motion_score
from vtc.tokenizers.layers.patch import PATCH_SIZE, patchify, to_float
from vtc.training.cache import read_frames
from vtc.training.data import Index
from vtc.training.recipe import Recipe

FIT_STEPS = (0.2, 0.4, 0.7, 1.2, 2.2)
FIT_VIDEOS, FIT_FRAMES = 96, 48
_KLT_PATCHES = 120_000

Say = Callable[[str], None]


@dataclass(frozen=True)
class BaseFit:
    """Entropy models of the streams of the base layer, and mean and deviation of the motion score. `learned`: arrays of the context profile
    by their names in a bundle, of a base layer that has them."""

    models: dict[str, StaticModel]
    motion_statistics: tuple[float, float]
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)


def spec_of(stream: Stream) -> StreamSpec:
    """What the entropy coder must know of a stream."""
    return StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, stream.classes, stream.sides)


def fit_base(base: BaseLayer, streams: Sequence[Stream], videos: Sequence[Tensor], say: Say) -> BaseFit:
    """Fit `base` in place to videos uint8 `[3, T, H, W]`, T a multiple of 16: KLT, then symbols, tables and prices."""
    basis, mean = sample_klt(videos, base.config.coefficients, say)
    base.basis.copy_(basis.half())  # as they will be stored
    base.mean.copy_(mean.half())
    return fit_prices(base, streams, videos, say)


def fit_prices(base: BaseLayer, streams: Sequence[Stream], videos: Sequence[Tensor], say: Say) -> BaseFit:
    """The same for a base layer that has its KLT: twice symbols, tables and prices."""
    by_name = {stream.name: stream for stream in streams}
    models: dict[str, StaticModel] = {}
    for turn in range(2):
        samples = [(step, encode_run(base, video, step)) for step in FIT_STEPS for video in videos[turn::2] or videos]
        sides = [side_map(base, run, step) for step, run in samples]
        models = {
            name: fit_grid(
                spec_of(by_name[name]),
                [
                    (getattr(run, name).numpy(), side if name in SIDE_OF else None)
                    for side, (_, run) in zip(sides, samples, strict=True)
                ],
            )
            for name in BASE_STREAMS
        }
        price(base, models["structural"])
        say(
            f"entropy tables of the base layer, turn {turn + 1} of 2, from {sum(run.motion[..., 0].numel() for _, run in samples)} tokens"
        )
    return BaseFit(models, motion_statistics(videos))


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
    """One group over a whole video uint8 `[3, T, H, W]`, as it is written."""
    segment = base.encode(video, None, step, finer=finer([look(video, None)], step))
    return replace(segment, finer=inherited(segment.finer, segment.structural, None))


def side_map(base: BaseLayer, run: BaseSegment, step: float) -> np.ndarray:
    """The side `[S, gh, gw]` of every token for the structural stream's entropy model."""
    return (base.sides(base.steps(run.finer[..., 0], step)) + run.motion[..., 0]).numpy()


def motion_statistics(videos: Sequence[Tensor]) -> tuple[float, float]:
    """Mean and deviation of the motion score over all clips of 16 frames."""
    scores = torch.cat([motion_score(to_float(part)[None]) for video in videos for part in video.split(16, 1)])
    return scores.mean().item(), scores.std().item()


def sample_klt(videos: Sequence[Tensor], coefficients: int, say: Say) -> tuple[Tensor, Tensor]:
    """The KLT of patches spread evenly over all videos."""
    share = max(1, _KLT_PATCHES // len(videos))
    generator = torch.Generator().manual_seed(0)
    rows = []
    for video in videos:
        whole = patchify(to_float(video[:, : video.shape[1] // 4 * 4])[None]).reshape(-1, PATCH_SIZE)
        rows.append(whole[torch.randperm(len(whole), generator=generator)[:share]])
    patches = torch.cat(rows)
    say(f"KLT of {len(patches)} patches from {len(videos)} videos")
    return fit_klt(patches, coefficients)


def sample_videos(index: Index, recipe: Recipe, count: int) -> list[np.ndarray]:
    """Up to `count` training videos of at least 16 frames, uint8 `[T, 3, H, W]`, at the recipe's sizes in turn."""
    videos: list[np.ndarray] = []
    for clip in index.clips:
        if clip.held or len(videos) == count:
            continue
        try:
            frames = read_frames(clip, recipe.sides[len(videos) % len(recipe.sides)], 0.3, FIT_FRAMES)
        except (VtcError, OSError, ValueError):  # the cache skips it too, and says so
            continue
        if len(frames) >= 16:
            videos.append(frames[: len(frames) // 16 * 16])
    return videos
