"""Every clip of a folder, at its own size and at `--size 128`: is it whole after decoding, how large, how close.

    python -m benchmarks.quality --data eval
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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
    coded_pictures,
    label,
    mean,
    parallel,
    psnr,
    scratch,
)

PROTOCOL = """Every clip of the folder, all frames, encoded as it is (own) and with --size 128 (short side 128, then
decoded back to the source's size). The file is decoded with --codec ffv1 into mp4 (RGB without loss) and read back:
count of frames, every timestamp (exact fractions of a second), width and height must be the source's. bpp: all bytes
of the file but the audio, over frames × coded pixels and over frames × source pixels. PSNR: RGB of 8 bit, mean over
the frames of a clip, and from the clip's mean squared error; at the coded size against the source scaled alike by
vtc.media (bicubic), before anything is scaled back, and at the source's size against the source. SSIM: at the coded
size of --size 128 only. Means over clips."""

SMALL = 128


@dataclass(frozen=True)
class Job:
    path: Path
    size: int | None
    model: str
    quality: int


def main(
    data: Data,
    limit: Limit = 0,
    quality: Annotated[int, typer.Option("--quality", min=0, max=100)] = 50,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("quality", "Quality of every evaluation clip, default options", PROTOCOL, model)
    # Long jobs first, so that no worker idles at the end.
    jobs = [Job(path, size, model, quality) for size in (None, SMALL) for path in clips(data, limit)]
    report.rows = list(parallel(measure, jobs, workers))
    small = [row for row in report.rows if row["size"] == SMALL]
    own = [row for row in report.rows if row["size"] is None]
    wrong = [row for row in report.rows if not row["whole"]]
    bad = ", ".join(f"{row['clip']} ({row['wrong']})" for row in wrong)
    report.claim(
        "every clip decodes to the same number of frames, timestamps and size",
        f"{len(report.rows) - len(wrong)} of {len(report.rows)} runs" + (f"; not {bad}" if bad else ""),
        not wrong,
    )
    decibels, rate = mean(row["psnr"] for row in small), mean(row["bpp"] for row in small)
    report.claim("mean PSNR at --size 128, 28 dB or more", f"{decibels:.2f} dB", decibels >= 28)
    report.claim("at a mean of 0.15 bpp or less (coded pixels)", f"{rate:.4f} bpp", rate <= 0.15)
    worst = min(small, key=lambda row: row["psnr"])
    report.claim("no clip under 22 dB at --size 128", f"the worst is {worst['clip']}, {worst['psnr']:.2f} dB", worst["psnr"] >= 22)
    worst = min(own, key=lambda row: row["psnr"])
    report.claim("no clip under 22 dB at its own size", f"the worst is {worst['clip']}, {worst['psnr']:.2f} dB", worst["psnr"] >= 22)
    report.table(
        ["", "clips", "frames", "PSNR", "of clip MSE", "SSIM", "bpp coded", "bpp source", "PSNR at source size", "bytes"],
        [summary(name, rows) for name, rows in (("--size 128", small), ("own size", own))],
        "Means over clips",
    )
    for name, rows in (("--size 128", small), ("own size", own)):
        report.table(
            ["clip", "frames", "coded", "bytes", "bpp coded", "bpp source", "PSNR", "of clip MSE", "worst frame"],
            [line(row) for row in sorted(rows, key=lambda row: row["psnr"])],
            f"Clips, {name}, worst first",
        )
    report.write(out)


def measure(job: Job) -> dict[str, Any]:
    """Encode and decode one clip; a row of figures."""
    import vtc
    from vtc.bench.metrics import Meter, pairs
    from vtc.codec.plan import eight_bit
    from vtc.container import open_reader
    from vtc.media import open_source

    with scratch() as folder:
        coded, back = Path(folder, "clip.vtc"), Path(folder, "clip.mp4")
        result = vtc.encode(job.path, coded, model=job.model, quality=job.quality, size=job.size, threads=1)
        vtc.decode(coded, back, codec="ffv1", audio="none", threads=1)
        wrong = differences(job.path, back)
        with open_reader(coded) as reader:
            width, height = reader.header.width, reader.header.height
        meter = Meter(ssim=job.size is not None)
        with open_source(job.path, size=job.size, threads=1) as source, open_source(back, threads=1) as decoded:
            # At its own size a clip is coded as it is shown; otherwise what was coded is looked at before it is scaled back.
            pictures = coded_pictures(coded) if job.size else (frame.rgb for frame in decoded.frames())
            for frame, picture in pairs(source.frames(), pictures):
                meter.add(eight_bit(frame.rgb), picture)
        found = meter.result()
        at_source = found.psnr
        if job.size:
            with open_source(job.path, threads=1) as source, open_source(back, threads=1) as decoded:
                at_source, _ = psnr((eight_bit(f.rgb) for f in source.frames()), (f.rgb for f in decoded.frames()))
    return {
        "clip": label(job.path), "size": job.size, "quality": job.quality, "whole": not wrong, "wrong": "; ".join(wrong),
        "frames": result.frames, "width": width, "height": height, "bytes": result.bytes, "audio_bytes": result.audio_bytes,
        "bpp": 8 * result.video_bytes / (result.frames * width * height), "bpp_source": result.bpp,
        "psnr": found.psnr, "psnr_clip": found.psnr_clip, "psnr_worst_frame": found.psnr_worst, "ssim": found.ssim,
        "psnr_at_source_size": at_source, "tokens": result.tokens,
    }  # fmt: skip


def differences(source: Path, decoded: Path) -> list[str]:
    """What a decoded video does not have from its source: size, frames, times."""
    from vtc.media import open_source

    with open_source(source, threads=1) as one, open_source(decoded, threads=1) as other:
        sizes = [(video.info.width, video.info.height) for video in (one, other)]
        times = [[frame.pts * video.info.time_base for frame in video.frames()] for video in (one, other)]
    wrong = []
    if sizes[0] != sizes[1]:
        wrong.append(f"size {sizes[0]} and {sizes[1]}")
    if len(times[0]) != len(times[1]):
        wrong.append(f"{len(times[0])} and {len(times[1])} frames")
    elif times[0] != times[1]:
        apart = max(abs(a - b) for a, b in zip(*times))
        wrong.append(f"times up to {float(apart):.6f} s apart")
    return wrong


def summary(name: str, rows: list[dict[str, Any]]) -> list[str]:
    ssim = [row["ssim"] for row in rows]  # None where it was not asked for, or is not installed
    return [
        name, str(len(rows)), str(sum(row["frames"] for row in rows)), f"{mean(row['psnr'] for row in rows):.2f}",
        f"{mean(row['psnr_clip'] for row in rows):.2f}", "–" if None in ssim else f"{mean(ssim):.4f}",
        f"{mean(row['bpp'] for row in rows):.4f}", f"{mean(row['bpp_source'] for row in rows):.4f}",
        f"{mean(row['psnr_at_source_size'] for row in rows):.2f}", str(sum(row["bytes"] for row in rows)),
    ]  # fmt: skip


def line(row: dict[str, Any]) -> list[str]:
    return [
        row["clip"], str(row["frames"]), f"{row['width']}x{row['height']}", str(row["bytes"]), f"{row['bpp']:.4f}",
        f"{row['bpp_source']:.4f}", f"{row['psnr']:.2f}", f"{row['psnr_clip']:.2f}", f"{row['psnr_worst_frame']:.2f}",
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
