"""Rate against distortion at 128×128, beside x264: several qualities, the protocol of the table that vtc is to be measured by.

    python -m benchmarks.rate --data eval
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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
    payload,
    psnr,
    rate_of,
    scratch,
    square,
    write_lossless,
)

PROTOCOL = """The first 80 frames of every clip that has as many, short side scaled to 128 (area), the top left
128×128, written as RGB without loss. RGB PSNR of 8 bit, mean over frames, then over clips. vtc: all bytes of the .vtc
file (header, timestamps, checksums and index too), default options but --quality. x264, measured here: preset medium,
--crf, payload bytes without SEI and without a container, 8-bit 4:2:0 by a careful conversion. Bits per pixel over
frames × 128 × 128, mean over clips. Between measured points curves are straight in dB against the logarithm of the
rate."""

FRAMES, SIDE = 80, 128
QUALITIES = (20, 35, 50, 65, 80)
CRFS = (23, 28, 33, 38, 43)
KEYS: dict[str, int | None] = {"x264": None, "x264, key frame every 16": 16}

PUBLISHED = {
    "x264": ((0.180, 34.6), (0.094, 31.8), (0.052, 29.1), (0.031, 26.6), (0.020, 24.3)),
    "x265": ((0.201, 35.2), (0.106, 32.5), (0.056, 29.8), (0.031, 27.1), (0.018, 24.7)),
    "SVT-AV1": ((0.143, 35.1), (0.080, 33.0), (0.048, 30.9), (0.022, 26.9)),
    "x264, key frame every 16": ((0.238, 34.8), (0.134, 32.1), (0.076, 29.4), (0.045, 26.9), (0.028, 24.6)),
    "x265, key frame every 16": ((0.245, 35.5), (0.138, 32.8), (0.077, 30.1), (0.044, 27.5), (0.027, 25.1)),
    "SVT-AV1, key frame every 16": ((0.185, 34.8), (0.112, 32.6), (0.069, 30.4), (0.030, 26.1)),
}
"""Measured before on the same 39 clips (preset medium, SVT-AV1 preset 6): bpp and dB."""

Curve = list[tuple[float, float]]


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    qualities: tuple[int, ...]


def main(
    data: Data,
    limit: Limit = 0,
    qualities: Annotated[str, typer.Option("--qualities", help="Separated by commas.")] = ",".join(map(str, QUALITIES)),
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("rate", "Rate and distortion at 128×128, beside x264", PROTOCOL, model)
    points = tuple(int(word) for word in qualities.split(","))
    found = parallel(measure, [Job(path, model, points) for path in clips(data, limit)], workers)
    report.rows = [row for rows in found for row in rows]
    ours: Curve = []
    anchors = {name: curve(report.rows, name, CRFS) for name in KEYS}
    lines = []
    for quality in points:
        rows = [row for row in report.rows if (row["codec"], row["setting"]) == ("vtc", quality)]
        rate, decibels = mean(row["bpp"] for row in rows), mean(row["psnr"] for row in rows)
        ours.append((rate, decibels))
        beside = [ratio(rate, decibels, anchors[name]) for name in KEYS]
        worst = min(rows, key=lambda row: row["psnr"])
        lines.append([
            str(quality), f"{rate:.4f}", f"{mean(row['bpp_payload'] for row in rows):.4f}", f"{decibels:.2f}",
            f"{mean(row['psnr_clip'] for row in rows):.2f}", f"{worst['psnr']:.2f} ({worst['clip']})", *beside,
        ])  # fmt: skip
    count = len({row["clip"] for row in report.rows})
    header = ["quality", "bpp", "bpp of symbols alone", "PSNR", "of clip MSE", "worst clip"]
    header += [f"rate over that of {name} at this PSNR" for name in KEYS]
    report.table(header, lines, f"vtc, mean over {count} clips")
    shown = [("vtc, this bundle", ours), *((f"{name}, measured here", points) for name, points in anchors.items())]
    shown += [(f"{name}, as published in the design", list(points)) for name, points in PUBLISHED.items()]
    report.table(["codec", *["bpp → dB"] * 5], [[name, *cells(points)] for name, points in shown], "All codecs")
    for name, points in anchors.items():
        report.text(f"Against {name}: {bd_rate(points, ours)}.")
    decibels_at, rate_at = at_rate(0.15, ours), f"{min(r for r, _ in ours):.3f} to {max(r for r, _ in ours):.3f} bpp"
    told = f"{decibels_at:.2f} dB" if decibels_at is not None else f"outside of the rates measured, {rate_at}"
    report.claim("PSNR at 0.15 bpp on 80 frames of 128×128 (28 dB wanted)", told, None if decibels_at is None else decibels_at >= 28)
    report.write(out)


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one clip: vtc at all qualities, x264 at all rate factors; none for a clip that is too short."""
    import vtc
    from benchmarks import x264

    pictures = square(job.path, FRAMES, SIDE)
    if pictures is None:
        return []
    rows, rate, pixels = [], rate_of(job.path), pictures.size // 3
    base = {"clip": label(job.path), "frames": FRAMES}
    with scratch() as folder:
        source = write_lossless(pictures, Path(folder, "source.mp4"), rate)
        for quality in job.qualities:
            coded = Path(folder, f"{quality}.vtc")
            result = vtc.encode(source, coded, model=job.model, quality=quality, threads=1)
            with vtc.open(coded, threads=1) as video:
                frames, clip = psnr(pictures, video.frames)
            rows.append({
                **base, "codec": "vtc", "setting": quality, "bytes": result.bytes, "bpp": 8 * result.bytes / pixels,
                "bpp_payload": 8 * payload(coded) / pixels, "psnr": frames, "psnr_clip": clip,
            })  # fmt: skip
    for name, every in KEYS.items():
        for crf in CRFS:
            size, decoded = x264.code(pictures, crf, rate, every)
            frames, clip = psnr(pictures, decoded)
            rows.append({
                **base, "codec": name, "setting": crf, "bytes": size, "bpp": 8 * size / pixels, "bpp_payload": 8 * size / pixels,
                "psnr": frames, "psnr_clip": clip,
            })  # fmt: skip
    return rows


def curve(rows: list[dict[str, Any]], codec: str, settings: tuple[int, ...]) -> Curve:
    """Mean rate and PSNR of a codec, a point for each setting."""
    points = []
    for setting in settings:
        chosen = [row for row in rows if (row["codec"], row["setting"]) == (codec, setting)]
        points.append((mean(row["bpp"] for row in chosen), mean(row["psnr"] for row in chosen)))
    return points


def ratio(rate: float, decibels: float, anchor: Curve) -> str:
    """Our rate over the anchor's at the same PSNR; a dash where the anchor was not measured."""
    points = sorted((db, math.log(bpp)) for bpp, db in anchor)
    if not points[0][0] <= decibels <= points[-1][0]:
        return "–"
    return f"{rate / math.exp(np.interp(decibels, *zip(*points))):.2f}"


def at_rate(rate: float, points: Curve) -> float | None:
    """dB of a curve at a rate; None outside of what was measured."""
    ordered = sorted(points)
    if not ordered[0][0] <= rate <= ordered[-1][0]:
        return None
    return float(np.interp(math.log(rate), [math.log(bpp) for bpp, _ in ordered], [db for _, db in ordered]))


def bd_rate(anchor: Curve, ours: Curve) -> str:
    """The Bjøntegaard delta rate in words."""
    try:
        import bjontegaard
    except ImportError:
        return 'BD-rate unavailable: bjontegaard is not installed (pip install "vtc[bench]")'
    (rates, decibels), (our_rates, our_decibels) = (zip(*sorted(points)) for points in (anchor, ours))
    low, high = max(decibels[0], our_decibels[0]), min(decibels[-1], our_decibels[-1])
    if high - low < 1 or len(ours) < 4:
        return "no BD-rate: the curves have less than 1 dB in common, or less than four points"
    change = bjontegaard.bd_rate(
        rates, decibels, our_rates, our_decibels, method="akima", require_matching_points=False, min_overlap=0
    )
    return f"BD-rate {change:+.1f} % over {low:.1f} to {high:.1f} dB (akima; above 0: we take more bytes)"


def cells(points: Curve) -> list[str]:
    """A curve for the table of five points, highest rate first."""
    ordered = sorted(points, reverse=True)[:5]
    return [f"{bpp:.3f} → {db:.1f}" for bpp, db in ordered] + [""] * (5 - len(ordered))


if __name__ == "__main__":
    typer.run(main)
