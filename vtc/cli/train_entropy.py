"""`vtc train entropy BUNDLE`: context tables for a bundle."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from vtc.errors import UsageError

if TYPE_CHECKING:
    from vtc.cli.output import Output
    from vtc.training.report import Reporter
    from vtc.training.train import Folders

MINUTES = 10.0


def train_entropy(
    bundle: str | None,
    folders: Folders,
    steps: int | None,
    minutes: float | None,
    seed: int,
    threads: int | None,
    voice: Output,
    reporter: Reporter,
) -> None:
    """Write the bundle with context tables into the folder of the run, under its own name."""
    if bundle is None:
        raise UsageError("which bundle?", "vtc train entropy BUNDLE --data DIR")
    from vtc.codec.weights import find
    from vtc.training.context.train import train_context

    path, began = find(bundle), time.monotonic()
    out: Path = folders.out / path.name
    learned = train_context(
        path,
        folders.data,
        out,
        minutes=MINUTES if minutes is None else minutes,
        steps=steps,
        seed=seed,
        threads=threads,
        evaluation=folders.evaluation,
        reporter=reporter,
    )
    values = {"bundle": learned.bundle, "videos": learned.videos, "tokens": learned.tokens, "manifest": learned.manifest}
    voice.done({**values, "seconds": time.monotonic() - began}, f"{learned.bundle}: context tables from {learned.tokens} tokens")
