"""Symbols of the base layer to learn from: training videos coded at random qualities."""

from dataclasses import dataclass

import numpy as np
import torch

from vtc.codec.quality import step_of
from vtc.entropy.stream import Floats, Ints
from vtc.errors import TrainingError, VtcError
from vtc.tokenizers.base import BaseLayer
from vtc.tokenizers.steps import steps_of
from vtc.training.cache import read_frames
from vtc.training.data import Index
from vtc.training.objectives.base_fit import encode_run, side_map
from vtc.training.report import Reporter

FRAMES = 48
SIDES = (128, 160, 240)
QUALITIES = (14, 86)  # drawn evenly: a bundle serves all of them


@dataclass(frozen=True)
class Run:
    """One group over a video: `motion` [S, H, W, 3], `structural` [S, H, W, C], `side` and `steps` [S, H, W] as the entropy coder is told
    them."""

    motion: Ints
    structural: Ints
    side: Ints
    steps: Floats

    @property
    def vectors(self) -> Ints:
        """[S, H, W, 2]"""
        return self.motion[..., 1:]


def sample_runs(base: BaseLayer, index: Index, videos: int, seed: int, reporter: Reporter) -> list[Run]:
    """Runs of up to `videos` training videos, each at one size and two qualities. TrainingError when none can be read."""
    rng = np.random.default_rng(seed)
    runs: list[Run] = []
    chosen = [clip for clip in index.clips if not clip.held][:videos]
    for number, clip in enumerate(chosen):
        reporter.caching(number, len(chosen))
        try:
            frames = read_frames(clip, SIDES[number % len(SIDES)], 0.3, FRAMES)
        except (VtcError, OSError, ValueError) as problem:
            reporter.warn(f"{clip.name} is left out: {problem}")
            continue
        whole = frames[: len(frames) // 16 * 16]
        if not len(whole):
            continue
        video = torch.from_numpy(np.ascontiguousarray(whole.swapaxes(0, 1)))
        first = rng.uniform(*QUALITIES)
        span = QUALITIES[1] - QUALITIES[0]
        for quality in (first, QUALITIES[0] + (first - QUALITIES[0] + span / 2) % span):
            runs.append(run_of(base, video, step_of(quality)))
    if not runs:
        raise TrainingError("no video of at least 16 frames could be read", "look at the folders given with --data")
    return runs


def run_of(base: BaseLayer, video: torch.Tensor, step: float) -> Run:
    """A video uint8 `[3, T, H, W]` coded with `step`."""
    coded = encode_run(base, video, step)
    motion, structural = coded.motion.numpy().astype(np.int16), coded.structural.numpy().astype(np.int16)
    steps = steps_of(coded.finer[..., 0].numpy(), step)
    return Run(motion, structural, side_map(base, coded, step).astype(np.uint8), steps)
