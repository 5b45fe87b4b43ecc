"""The free grid of the coordinate decoder: what a part costs, and what twice the rate and twice the size show.

    python -m benchmarks.coordinates --data EVAL --model coordtok-tiny

Parts: seconds of decoding all of 128 frames of 128x128, a window of a sixteenth of the area, a sixteenth of the frames. Rate: every second
frame is coded, all are decoded, and those in between are compared with the source. Size: the clip is coded at half its size and decoded at
its own, beside a bicubic magnification of the plain decode.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import vtc
from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Model,
    Out,
    Report,
    clips,
    label,
    mean,
    scratch,
    write_lossless,
)
from vtc.bench.metrics import decibels
from vtc.bench.prepare import Protocol, TooShort, prepare
from vtc.codec.resize import resampled

FRAMES, SIDE, LARGE = 128, 128, 240
REPEATS = 3
PARTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "1/16 of the area": {"crop": (48, 48, 32, 32)},
    "1/16 of the frames": {"frames": (64, 72)},
    "both": {"crop": (48, 48, 32, 32), "frames": (64, 72)},
}


def decoded(path: Path, folder: Path, **options: Any) -> tuple[np.ndarray, float]:
    """Frames uint8 `[n, h, w, 3]` of the coordinate decoder, and the seconds that they took."""
    found = vtc.decode(path, folder / "a.npy", decoder="coordinate", threads=1, overwrite=True, **options)
    return np.load(folder / "a.npy"), found.seconds


def error(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR in dB of two videos, from the mean squared error of all frames."""
    return decibels(float(np.mean([np.square(a.astype(np.int32) - b).mean() for a, b in zip(first, second, strict=True)])))


def parts(path: Path, folder: Path, rate: float) -> list[dict[str, Any]]:
    """Seconds of each of PARTS, the least of several."""
    rows = []
    for name, part in PARTS.items():
        options = {key: value for key, value in part.items() if key != "frames"}
        if "frames" in part:
            first, stop = part["frames"]
            options |= {"start": first / rate, "end": stop / rate}
        seconds = [decoded(path, folder, **options)[1] for _ in range(REPEATS)]
        rows.append({"part": name, "seconds": min(seconds)})
    return rows


def between(source: np.ndarray, folder: Path, model: str, rate: float) -> tuple[dict[str, float], np.ndarray]:
    """PSNR of the frames that were left out: painted, mixed of their decoded neighbours, and the one before again."""
    video = write_lossless(source[::2], folder / "half.mp4", rate / 2)
    vtc.encode(video, folder / "half.vtc", model=model, overwrite=True, threads=1)
    double, _ = decoded(folder / "half.vtc", folder, fps=rate)
    coded, count = double[::2], len(source) // 2 - 1
    mixed = (coded[:count].astype(np.uint16) + coded[1 : count + 1] + 1) // 2
    left_out = source[1::2][:count]
    row = {"kept frames": error(coded, source[::2]), "painted": error(double[1::2][:count], left_out)}
    row |= {"mixed": error(mixed.astype(np.uint8), left_out), "repeated": error(coded[:count], left_out)}
    return row, double


def larger(video: Path, source: np.ndarray, folder: Path, model: str) -> tuple[dict[str, float], np.ndarray, np.ndarray]:
    """PSNR at the source's size of a clip coded at half of it: painted at that size, and magnified afterwards."""
    vtc.encode(video, folder / "large.vtc", model=model, size=LARGE // 2, overwrite=True, threads=1)
    painted, seconds = decoded(folder / "large.vtc", folder, scale=1.0)
    plain, before = decoded(folder / "large.vtc", folder)
    row = {"painted": error(painted, source), "magnified": error(plain, source)}
    return row | {"seconds painted": seconds, "seconds magnified": before}, painted, plain


def picture(path: Path, columns: list[np.ndarray]) -> None:
    """Pictures side by side, brought to one height."""
    import av

    height = max(column.shape[0] for column in columns)
    grown = [resampled(c[None], (round(c.shape[1] * height / c.shape[0]), height))[0] for c in columns]
    av.VideoFrame.from_ndarray(np.concatenate(grown, 1), format="rgb24").to_image().save(path)


def main(
    data: Data,
    limit: Limit = 6,
    model: Model = "coordtok",
    out: Out = RESULTS,
    pictures: Annotated[Path | None, typer.Option("--pictures", help="Folder for pictures to look at.")] = None,
) -> None:
    """Measure parts, twice the rate and twice the size on several clips."""
    protocol = f"""Clips of {FRAMES} frames or more: their first {FRAMES}, top left square, short side scaled to {SIDE} (size: to {LARGE},
    coded at half of that), lossless, coded at quality 50; RGB PSNR in dB from the squared error of all frames. One thread; seconds
    without loading the bundle, the least of {REPEATS}."""
    report = Report("coordinates", "The free grid of the coordinate decoder", protocol, model)
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
    for path in clips(data):
        with scratch() as name:
            folder = Path(name)
            try:
                small, large = (prepare(path, Protocol(side, FRAMES, "top-left"), folder / f"{side}.mp4") for side in (SIDE, LARGE))
            except TooShort:
                continue
            source, big, rate = np.stack(list(small.pictures())), np.stack(list(large.pictures())), float(small.rate)
            vtc.encode(small.path, folder / "clip.vtc", model=model, threads=1)
            rows = parts(folder / "clip.vtc", folder, rate)
            row, double = between(source, folder, model, rate)
            sizes, painted, plain = larger(large.path, big, folder, model)
        report.rows += [{"clip": label(path), "what": "parts", **r} for r in rows]
        report.rows += [{"clip": label(path), "what": "rate", **row}, {"clip": label(path), "what": "size", **sizes}]
        if pictures is not None:
            picture(pictures / f"{path.stem}-rate.png", [source[63], source[64], source[65], double[62], double[63], double[64]])
            picture(pictures / f"{path.stem}-size.png", [big[64], plain[64], painted[64]])
        if len({r["clip"] for r in report.rows}) == limit:
            break
    if not report.rows:
        raise typer.BadParameter(f"no clip in {data} has {FRAMES} frames", param_hint="--data")
    summarize(report)
    report.write(out)


def summarize(report: Report) -> None:
    """Tables and claims from the rows."""

    def column(what: str, key: str, **where: str) -> float:
        rows = (r for r in report.rows if r["what"] == what and all(r[k] == v for k, v in where.items()))
        return mean(row[key] for row in rows)

    seconds = {name: column("parts", "seconds", part=name) for name in PARTS}
    ratio = seconds["whole"] / seconds["1/16 of the area"]
    report.claim("a crop of 1/16 of the area decodes at least 5 times faster than the whole", f"{ratio:.1f} times", ratio >= 5)
    table = [(name, f"{s:.3f}", f"{seconds['whole'] / s:.1f}") for name, s in seconds.items()]
    report.table(("part", "seconds", "times faster"), table, "Parts")
    keys = ("kept frames", "painted", "mixed", "repeated")
    report.table(keys, [[f"{column('rate', key):.2f}" for key in keys]], "Twice the rate: frames that were coded, and those in between")
    keys = ("painted", "magnified", "seconds painted", "seconds magnified")
    report.table(keys, [[f"{column('size', key):.2f}" for key in keys]], "Twice the size")


if __name__ == "__main__":
    typer.run(main)
