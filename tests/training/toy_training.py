"""A model, an objective and videos that are small enough to train in a test. (A module, so that worker processes find it.)"""

import os
import signal
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from torch import Generator, Tensor, nn

from vtc.training.recipe import Recipe, Stage

RECIPE = Recipe(
    "toy",
    "toy",
    "tiny",
    batch=3,
    lr=1e-2,
    crop=32,
    frames=16,
    sides=(48, 64),
    cache_frames=40,
    ema=0.9,
    stages=(Stage("one", 0.5, latents=False), Stage("two", 0.5, frozen=("inner",))),
)


class ToyModel(nn.Module):
    """Pixels through a narrow place and back, with dropout for the global random generator to matter."""

    seen: Tensor

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.inner = nn.Linear(3, 8)
        self.outer = nn.Linear(8, 3)
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += int(self.training)
        return self.outer(nn.functional.dropout(torch.tanh(self.inner(x)), 0.1, self.training))


def brightest(frames: Tensor) -> Tensor:
    """The maximum of every 4 frames of 16×16 pixels of [T, C, H, W]: [T/4, C, H/16, W/16]."""
    steps, channels, height, width = frames.shape
    return frames.reshape(steps // 4, 4, channels, height // 16, 16, width // 16, 16).amax((1, 4, 6))


class ToyObjective:
    """`stop`: at this step the process sends itself the signal `number`, in the midst of the loss."""

    prepare_key = "blur-1"

    def __init__(self, stop: int | None = None, number: int = signal.SIGTERM) -> None:
        self.stop, self.number = stop, number
        self.table = torch.arange(256, dtype=torch.uint8)  # a tensor has to survive the way to worker processes

    def prepare(self, frames: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        step = rng.random(len(frames), np.float32)
        base = self.table.numpy()[frames] // 2
        return {"base": base, "step": step, "codes": brightest(torch.from_numpy(frames)).numpy()}

    def loss(
        self, model: nn.Module, batch: dict[str, Tensor], stage: Stage, generator: Generator, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if step == self.stop:
            os.kill(os.getpid(), self.number)
        x = batch["clip"].float().movedim(1, -1) / 255
        noise = torch.randn(x.shape, generator=generator, device=x.device)
        error = (model(x + 0.1 * noise) - x).square().mean()
        return error, {"mse": error}

    def evaluate(self, model: nn.Module, clips: Sequence[dict[str, Tensor]]) -> dict[str, float]:
        assert not model.training
        assert clips
        errors = [
            (model(c["clip"].float().movedim(1, -1) / 255) - c["clip"].movedim(1, -1) / 255).square() for c in clips
        ]
        return {"held_mse": torch.stack([error.mean() for error in errors]).mean().item()}

    def export(self, model: nn.Module, path: Path, log: Callable[[str], None]) -> None:
        path.write_text("bundle")
        log("exported")


def make_video(path: Path, frames: int, size: tuple[int, int] = (64, 48), seed: int = 0) -> None:
    """Write a moving pattern of `size` (width, height) that differs from frame to frame and is not symmetric."""
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    rng = np.random.default_rng(seed)
    canvas = np.kron(rng.integers(0, 255, (height // 8 + 1, (width + frames) // 8 + 1, 3)), np.ones((8, 8, 1)))
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = width, height, "yuv420p", 400_000
        for i in range(frames):
            picture = np.ascontiguousarray(canvas[:height, i : i + width].astype(np.uint8))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())


def make_folder(root: Path) -> Path:
    """A data root: source `a` with 3 good videos, a broken and a short one; `b` with 2 good ones; and `eval`."""
    for i in range(3):
        make_video(root / "a" / f"{i}.mp4", 34, seed=i)
    make_video(root / "a" / "short.mp4", 7, seed=5)
    (root / "a" / "broken.mp4").write_bytes(b"this is no video at all" * 40)
    (root / "a" / "readme.txt").write_text("not a video by its name")
    for i in range(2):
        make_video(root / "b" / "deeper" / f"{i}.mkv", 50, (80, 64), seed=10 + i)
    make_video(root / "eval" / "judge.mp4", 34, seed=99)
    return root
