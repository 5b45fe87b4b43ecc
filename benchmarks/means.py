"""What each means of the default codec is worth: bytes at equal PSNR with that one left out.

    python -m benchmarks.means --data eval
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Model,
    Out,
    Report,
    Workers,
    clips,
    label,
    mean,
    parallel,
    psnr,
    scratch,
    square,
    write_lossless,
)

PROTOCOL = """The first 128 frames (48 of clips that have fewer; shorter ones are left out) of clips chosen evenly from the
folder, short side scaled to 128 (area), the top left 128×128, written as RGB without loss. Bytes: all of the .vtc file.
PSNR: RGB of 8 bit, decoded with one step, mean over frames. Bytes at equal PSNR: BD-rate (package bjontegaard, pchip) of
the codec without the means against the codec with all of them, at qualities 25, 40, 55 and 70, mean over clips: what
leaving it out costs. Overhead: what is no stream of symbols, of the file of the first 16 frames at default quality.
Drift: PSNR of the last 16 frames of 128 equal ones (the clip's first) less that of the first 16, one group."""

FRAMES = (128, 48)
QUALITIES = (25, 40, 55, 70)
OVERHEAD, DRIFT = 0.03, 0.5


@dataclass(frozen=True)
class Means:
    """One means of the codec: `without` it, the codec has these options, or in place of `replaced`, the name of a function, another one;
    `network`: whether the network paints at all, or the base layer's picture is shown."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    replaced: str = ""
    by: Callable[..., Any] | None = None
    network: bool = True


def _none_finer(sights: Sequence[Any], step: float) -> Any:
    import torch

    return torch.zeros(sights[0].alone.shape, dtype=torch.int16)


def _unfiltered(frames: Any, coded: Any, steps: Any) -> Any:
    return frames


ALL = Means("nothing")
WITHOUT = (
    Means("context profile (static in its place)", {"entropy": "static"}),
    Means("segments that lean on each other (--group 1)", {"group": 1}),
    Means("steps of the tokens' own (one for the segment)", replaced="vtc.codec.encoding.finer", by=_none_finer),
    Means("filter in the loop", replaced="vtc.tokenizers.base.deblock", by=_unfiltered),
    Means("1D latents (--tokens 0)", {"tokens": 0}),
    Means("network (the base layer alone)", {"tokens": 0}, network=False),
)


@dataclass(frozen=True)
class Job:
    path: Path
    model: str


def main(data: Data, limit: Limit = 8, model: Model = "onedva", workers: Workers = 2, out: Out = RESULTS) -> None:
    from vtc.bench.bd import rate_change

    report = Report("means", "What each means is worth", PROTOCOL, model)
    jobs = [Job(path, model) for path in clips(data, limit)]
    report.rows = [row for row in parallel(measure, jobs, workers) if row["frames"]]
    lines = []
    for means in WITHOUT:
        found = [rate_change(row["curves"][ALL.name], row["curves"][means.name]).percent for row in report.rows]
        known = [change for change in found if change is not None]
        lines.append([means.name, f"{mean(known):+.1f} %", f"{min(known):+.1f} … {max(known):+.1f} %", len(known)])
    report.table(["left out", "bytes at equal PSNR", "over the clips", "clips"], lines)
    share = mean(row["overhead"] for row in report.rows)
    report.claim(f"header and index under {OVERHEAD:.0%} of a file of 16 frames, default quality", f"{share:.1%}", share < OVERHEAD)
    drift = [row["drift"] for row in report.rows]
    furthest = max(drift, key=abs)
    report.claim(f"drift over a group of 128 equal frames within {DRIFT} dB", f"{furthest:+.2f} dB at most", abs(furthest) <= DRIFT)
    report.write(out)


def measure(job: Job) -> dict[str, Any]:
    """All curves of a clip; no frames where it is too short."""
    row: dict[str, Any] = {"clip": label(job.path), "frames": 0}
    with scratch() as folder:
        source = Path(folder, "source.mp4")
        found = ((count, square(job.path, source, count)) for count in FRAMES)
        frames, pictures = next(((count, pictures) for count, pictures in found if pictures is not None), (0, None))
        if pictures is None:
            return row
        curves = {means.name: [point(job.model, source, pictures, means, quality) for quality in QUALITIES] for means in (ALL, *WITHOUT)}
        short = write_lossless(pictures[:16], Path(folder, "short.mp4"), 25.0)
        still = write_lossless([pictures[0]] * 128, Path(folder, "still.mp4"), 25.0)
        return {**row, "frames": frames, "curves": curves, "overhead": overhead(job.model, short), "drift": drift_of(job.model, still)}


def point(model: str, source: Path, pictures: np.ndarray, means: Means, quality: int) -> tuple[int, float]:
    """Bytes and dB of an encode without a means."""
    import vtc

    coded = source.with_name("coded.vtc")
    with patch(means.replaced, means.by) if means.replaced else nullcontext():
        result = vtc.encode(source, coded, model=model, quality=quality, threads=1, overwrite=True, **means.options)
        if not means.network:
            return result.bytes, round(psnr(pictures, base_pictures(coded))[0], 4)
        with vtc.open(coded, threads=1) as video:
            return result.bytes, round(psnr(pictures, video.frames)[0], 4)


def base_pictures(coded: Path) -> Iterator[np.ndarray]:
    """What the base layer shows by itself, uint8 [H, W, 3]."""
    for _, ground, count in segments(coded):
        yield from ground.frames[:, :count].permute(1, 2, 3, 0).numpy()


def segments(coded: Path) -> Iterator[tuple[Any, Any, int]]:
    """Every segment of a file, what its base layer gives, and how many frames it has."""
    from vtc.codec.model import load_model
    from vtc.codec.weights import find_identity
    from vtc.container import open_reader

    with open_reader(coded) as reader:
        header = reader.header
        model = load_model(find_identity(header.bundle, header.model), "cpu", 1)
        geometry = model.geometry(header.width, header.height)
        before, last = None, None
        for number in range(len(reader.index.segments)):
            segment = reader.segment(number)
            before = model.coder.decode(segment, geometry, before if segment.leans else None, "it")
            ground = model.base_decode(before, last if segment.leans else None, segment.step)
            assert ground is not None
            last = ground.end
            yield segment, ground, len(segment.pts)


def overhead(model: str, source: Path) -> float:
    """The share of a file that is no stream of symbols."""
    import vtc
    from vtc.container import open_reader

    coded = source.with_suffix(".vtc")
    size = vtc.encode(source, coded, model=model, threads=1).bytes
    with open_reader(coded) as reader:
        streams = sum(len(stream.data) for number in range(len(reader.index.segments)) for stream in reader.segment(number).streams)
    return 1 - streams / size


def drift_of(model: str, source: Path) -> float:
    """dB by which the last 16 frames are better than the first 16."""
    import vtc
    from vtc.media import open_source

    coded = source.with_suffix(".vtc")
    vtc.encode(source, coded, model=model, group=8, threads=1)
    with open_source(source) as video:
        wanted = np.stack([frame.rgb for frame in video.frames()])
    with vtc.open(coded, threads=1) as played:
        shown = played.frames[:]
    first, last = (psnr(wanted[part], shown[part])[0] for part in (slice(16), slice(-16, None)))
    return round(last - first, 3)


if __name__ == "__main__":
    typer.run(main)
