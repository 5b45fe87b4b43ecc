"""Entropy tables of a tokenizer without a base layer, fitted on its own symbols of training clips."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from vtc.codec.model import stream_infos
from vtc.codec.network import LengthRule
from vtc.codec.streams import Geometry
from vtc.codec.symbols import EDGES
from vtc.entropy import FitOptions, StaticModel, StreamSpec, fit_grid, fit_sequence
from vtc.errors import VtcError
from vtc.tokenizers.base import STEP_EDGES
from vtc.tokenizers.contract import Context, Tokenizer
from vtc.tokenizers.layers.patch import PATCH_SIDE, PATCH_TIME, to_float
from vtc.training.cache import read_frames
from vtc.training.data import Index

FIT_STEPS = (0.2, 0.4, 0.7, 1.2, 2.2)

Sample = tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]


def empty_context(clip: Tensor, step: float | Tensor) -> Context:
    """What a tokenizer without a base layer knows of clips `[B, 3, T, H, W]`: their size and the quantiser's step (one, or `[B]`)."""
    b, _, t, h, w = clip.shape
    steps = torch.as_tensor(step, dtype=torch.float32, device=clip.device).expand(b)
    return Context(steps, None, clip.new_zeros(b, 3, t // PATCH_TIME, h // PATCH_SIDE, w // PATCH_SIDE))


def fit_tables(tokenizer: Tokenizer, clips: Iterable[Tensor], steps: tuple[float, ...] = FIT_STEPS) -> dict[str, np.ndarray]:
    """Tables by "stream.array" as bundles hold them, from clips float `[1, 3, T, H, W]` in [-1, 1] quantised with each of `steps`.

    Streams of several `sides` get tables by the step, with the edges of `STEP_EDGES`.
    """
    samples = [(step, *symbols_of(tokenizer, clip, step)) for clip in clips for step in steps]
    arrays: dict[str, np.ndarray] = {}
    for stream in tokenizer.streams:
        spec = StreamSpec(stream.name, stream.channels, stream.bound, stream.kind, stream.classes, stream.sides)
        # Rare symbols of a wide alphabet are found by their neighbours, so few tables do.
        options = FitOptions(tables=128 if stream.bound < 512 else 64)
        fine = [int((np.asarray(STEP_EDGES) < step).sum()) if stream.sides > 1 else 0 for step, _, _ in samples]
        found = [symbols[stream.name] for _, symbols, _ in samples]
        model: StaticModel
        if stream.kind == "grid":
            grids = [(array, np.full(array.shape[:3], side, np.uint8)) for array, side in zip(found, fine)]
            model = fit_grid(spec, grids, options)
        else:
            kept = [lengths[stream.name] for _, _, lengths in samples]
            model = fit_sequence(spec, stream.positions, list(zip(found, kept, fine)), options)
        arrays |= {f"{stream.name}.{name}": array for name, array in model.to_arrays().items()}
        if stream.sides > 1:
            arrays[f"{stream.name}.{EDGES}"] = np.asarray(STEP_EDGES)
    return arrays


@torch.no_grad()
def symbols_of(tokenizer: Tokenizer, clip: Tensor, step: float) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The symbols of one clip by stream, as the codec would code them, and the kept lengths `[items]` of the sequences."""
    infos = stream_infos(tokenizer)
    geometry = Geometry(clip.shape[3], clip.shape[4], clip.shape[2], tokenizer.tile)
    with torch.autocast(clip.device.type, torch.bfloat16):
        latents = tokenizer.encode(clip, empty_context(clip, step))
    gains, symbols = tokenizer.gains(step), {}
    for info in infos:
        whole = (latents[info.name].float() * gains[info.name]).round().clamp(-info.bound, info.bound)
        symbols[info.name] = whole.cpu().numpy().astype(np.int32).reshape(geometry.shape(info))
    kept = LengthRule().lengths(tokenizer, clip, infos)
    return symbols, {name: lengths[0] for name, lengths in kept.items()}


def training_clips(index: Index, length: int, crop: int, side: int, count: int) -> Iterator[Tensor]:
    """Up to `count` clips float `[3, length, crop, crop]` in [-1, 1] of training videos, from the middle of pictures with the short side
    `side`. A video that is shorter than a clip, but not by half, holds its last frame, as in the codec."""
    found = 0
    for video in index.clips:
        if video.held or found == count:
            continue
        try:
            frames = read_frames(video, side, 0.3, length)
        except (VtcError, OSError, ValueError):  # the cache skips it too, and says so
            continue
        if 2 * len(frames) < length or min(frames.shape[2:]) < crop:
            continue
        top, left = ((size - crop) // 2 for size in frames.shape[2:])
        frames = frames[np.minimum(np.arange(length), len(frames) - 1)]
        cut = frames[:, :, top : top + crop, left : left + crop]
        found += 1
        yield to_float(torch.from_numpy(np.ascontiguousarray(cut.swapaxes(0, 1))))
