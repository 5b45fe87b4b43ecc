"""The four systems on the same clips, beside each other: tokens, bytes, quality, speed, parameters, and what a picture of an eighth of the
size would bring for the same bytes.

    VTC_METRIC_WEIGHTS=models python -m benchmarks.systems --data eval
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Out,
    Report,
    Workers,
    bundle,
    clips,
    label,
    mean,
    parallel,
    psnr,
    scratch,
)

PROTOCOL = """Clips chosen evenly from the folder, whole, short side scaled to 128 (area), the top left 128×128, written as RGB
without loss; every bundle codes them at its default options and decodes with one step. bpp: all bytes of the file over coded
pixels. Means over clips. The feature distance is that of SqueezeNet 1.0 (vtc/bench/features.py). fps: the rendered scene at
128×128, 192 frames, whole commands with --threads 2, without start-up, the best of two. The baseline is JPEG-like: frames shrunk
to an eighth (bicubic, antialiased), 8×8 DCT of Y, Cb and Cr, JPEG's tables of steps, scaled so that the entropy of each coefficient
over the clip, without headers, gives the bytes of the bundle's file; then magnified (bicubic). Where even steps of 1 need fewer
bytes, these are taken."""

SYSTEMS = ("onedva-tiny", "vtok-tiny", "coordtok-tiny", "dera-tiny")
WANTED_FPS = 25.0
SCENE_FRAMES = 192
SHRINK = 8
SHOWN = (20, 60, 100)

# ITU-T T.81, Annex K: steps for luminance and chrominance.
LUMA = """16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 18 22 37 56 68 109 103 77
24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"""
CHROMA = """17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 99 99 99 99 99 99 99 99 99
99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99"""


@dataclass(frozen=True)
class Job:
    path: Path
    models: tuple[str, ...]
    weights: str | None


def main(
    data: Data,
    limit: Limit = 12,
    models: Annotated[str, typer.Option("--models", help="Bundles, separated by commas.")] = ",".join(SYSTEMS),
    weights: Annotated[
        Path | None, typer.Option("--weights", help="SqueezeNet 1.0, a file or its folder; else VTC_METRIC_WEIGHTS.")
    ] = None,
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    from vtc.bench.features import find_file
    from vtc.errors import Unavailable

    names = tuple(models.split(","))
    try:
        found: str | None = str(find_file(weights))
    except Unavailable:
        found = None
    report = Report("systems", "The four systems side by side", PROTOCOL)
    report.bundle = "; ".join(bundle(name) for name in names)
    jobs = [Job(path, names, found) for path in clips(data, limit)]
    report.rows = [row for rows in parallel(measure, jobs, workers) for row in rows]
    speed = {name: timed(name) for name in names}
    columns = ["tokens", "bytes", "bpp", "PSNR", "SSIM", "feature distance", "encode fps", "decode fps", "parameters", "baseline's PSNR"]
    lines = []
    for name in names:
        own = [row for row in report.rows if row["model"] == name]
        shown = {key: mean(row[key] for row in own) for key in ("tokens", "bytes", "bpp", "psnr", "ssim", "baseline")}
        features = "unavailable" if found is None else f"{mean(row['features'] for row in own):.4f}"
        encode, decode = speed[name]
        lines.append([
            name, f"{shown['tokens']:.0f}", f"{shown['bytes']:.0f}", f"{shown['bpp']:.4f}", f"{shown['psnr']:.2f}", f"{shown['ssim']:.4f}",
            features, f"{encode:.0f}", f"{decode:.0f}", f"{parameters(name) / 1e6:.1f} M", f"{shown['baseline']:.2f}",
        ])  # fmt: skip
        report.rows.append({"model": name, "encode_fps": encode, "decode_fps": decode, "parameters": parameters(name)})
        report.claim(f"{name} encodes 128×128 at {WANTED_FPS:g} fps or more on two cores", f"{encode:.1f} fps", encode >= WANTED_FPS)
        report.claim(f"{name} decodes 128×128 at {WANTED_FPS:g} fps or more on two cores", f"{decode:.1f} fps", decode >= WANTED_FPS)
        better = shown["psnr"] - shown["baseline"]
        report.claim(f"{name} beats a JPEG-like picture of an eighth of the size at equal bytes", f"{better:+.2f} dB", better > 0)
    report.table(["bundle", *columns], lines, f"Means over {len(jobs)} clips")
    report.text("![The rendered scene: source, then each bundle in the order of the table](systems.png)")
    picture(names, out / "systems.png")
    report.write(out)


def measure(job: Job) -> list[dict[str, Any]]:
    """One clip through every bundle."""
    import vtc
    from vtc.bench.features import FeatureNet
    from vtc.bench.metrics import structural_similarity
    from vtc.bench.prepare import Protocol, prepare

    rows = []
    with scratch() as folder:
        source, coded = Path(folder, "source.mp4"), Path(folder, "clip.vtc")
        clip = prepare(job.path, Protocol(128, None, "top-left"), source)
        pictures = np.stack(list(clip.pictures()))
        net = FeatureNet.load(job.weights) if job.weights else None
        for model in job.models:
            result = vtc.encode(source, coded, model=model, threads=1, overwrite=True)
            with vtc.open(coded, steps=1, threads=1) as video:
                decoded = video.frames[:]
            frames, whole = psnr(pictures, decoded)
            rows.append({
                "clip": label(job.path), "model": model, "frames": clip.frames, "bytes": result.video_bytes, "tokens": result.tokens,
                "bpp": 8 * result.video_bytes / pictures[..., 0].size, "psnr": frames, "psnr_clip": whole,
                "ssim": mean(structural_similarity(a, b) for a, b in zip(pictures, decoded, strict=True)),
                "features": None if net is None else float(np.mean(net.distance(pictures, decoded))),
                "baseline": baseline(pictures, result.video_bytes),
            })  # fmt: skip
    return rows


def baseline(pictures: np.ndarray, wanted: int) -> float:
    """PSNR (dB, mean over frames) of the JPEG-like baseline for pictures uint8 [T, H, W, 3] at `wanted` bytes or less."""
    from scipy.fft import dctn, idctn

    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    small = _resized(pictures, 1 / SHRINK)
    height, width = small.shape[1:3]
    padded = np.pad(small, ((0, 0), (0, -height % 8), (0, -width % 8), (0, 0)), mode="edge")
    blocks = (padded @ matrix.T - [128, 0, 0]).reshape(len(small), padded.shape[1] // 8, 8, padded.shape[2] // 8, 8, 3)
    spectrum = dctn(blocks, axes=(2, 4), norm="ortho")
    table = np.stack([np.array(words.split(), float).reshape(8, 8) for words in (LUMA, CHROMA, CHROMA)], -1)[:, None]

    def levels(scale: float) -> np.ndarray:
        return np.asarray(np.rint(spectrum / np.maximum(table * scale, 1.0)))

    low, high = np.log(0.01), np.log(100.0)
    if _entropy(levels(0.01)) > 8 * wanted:
        for _ in range(18):
            middle = (low + high) / 2
            low, high = (middle, high) if _entropy(levels(float(np.exp(middle)))) > 8 * wanted else (low, middle)
    scale = float(np.exp(high)) if _entropy(levels(0.01)) > 8 * wanted else 0.01
    decoded = idctn(levels(scale) * np.maximum(table * scale, 1.0), axes=(2, 4), norm="ortho").reshape(padded.shape) + [128, 0, 0]
    shown = np.clip(decoded @ np.linalg.inv(matrix).T, 0, 255)[:, :height, :width]
    return psnr(pictures, np.rint(_resized(shown, SHRINK)).astype(np.uint8))[0]


def _entropy(levels: np.ndarray) -> float:
    """Bits of `[T, rows, 8, columns, 8, 3]`: the entropy of each of the 192 coefficients over its blocks."""
    flat = levels.transpose(2, 4, 5, 0, 1, 3).reshape(192, -1)
    bits = 0.0
    for row in flat:
        _, counts = np.unique(row, return_counts=True)
        bits -= float((counts * np.log2(counts / counts.sum())).sum())
    return bits


def _resized(pictures: np.ndarray, factor: float) -> np.ndarray:
    """Pictures [T, H, W, 3] scaled by a factor, float64 in 0..255."""
    import torch
    from torch.nn.functional import interpolate

    x = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).float()
    resized = interpolate(x, scale_factor=factor, mode="bicubic", antialias=factor < 1)
    return resized.clamp(0, 255).numpy().transpose(0, 2, 3, 1).astype(np.float64)


def timed(model: str) -> tuple[float, float]:
    """Frames a second of encoding and decoding."""
    from vtc.bench.processes import vtc
    from vtc.bench.scenes import render

    with scratch() as folder:
        source, coded, back = (str(Path(folder, name)) for name in ("scene.mp4", "scene.vtc", "back.mp4"))
        render(Path(source), 128, 128, SCENE_FRAMES)
        common = ("--threads", 2, "--json", "-y")
        encode = [vtc("encode", source, "-o", coded, "--model", model, *common).values["seconds"] for _ in range(2)]
        decode = [vtc("decode", coded, "-o", back, "--steps", 1, *common).values["seconds"] for _ in range(2)]
    return SCENE_FRAMES / min(encode), SCENE_FRAMES / min(decode)


def parameters(model: str) -> int:
    """Numbers in a bundle's tokenizer that are trained or fitted."""
    from vtc.codec.weights import find
    from vtc.tokenizers.bundle import load_bundle

    tokenizer = load_bundle(find(model)).tokenizer
    return sum(parameter.numel() for parameter in tokenizer.parameters())


def picture(models: Sequence[str], path: Path) -> None:
    """Writes three frames of the rendered scene: the source above, below it what each bundle makes of them."""
    import vtc
    from vtc.bench.prepare import Prepared
    from vtc.bench.scenes import RATE, render
    from vtc.media.picture import below, beside, save_png

    with scratch() as folder:
        source, coded = render(Path(folder, "scene.mp4"), 128, 128, 128, crf=6), Path(folder, "scene.vtc")
        frames = list(Prepared(source, 128, 128, 128, Fraction(RATE)).pictures())
        rows = [beside(*(frames[at] for at in SHOWN))]
        for model in models:
            vtc.encode(source, coded, model=model, overwrite=True)
            with vtc.open(coded) as video:
                rows.append(beside(*(video.frames[at : at + 1][0] for at in SHOWN)))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_png(path, below(rows))


if __name__ == "__main__":
    typer.run(main)
