"""Peak memory of encode and decode: a long clip against a short one, and 1080p.

    python -m benchmarks.memory
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import RESULTS, Model, Out, Report, scratch
from vtc.bench.processes import python, vtc

PROTOCOL = """The rendered scene at 25 frames a second, its first 48 frames to and fro, as H.264 of crf 18. `vtc
encode` with default options, `vtc decode` into mp4, each a process of its own with --threads 2; its peak is the most
memory that was resident (ru_maxrss of that process). 640×360: 10 s against 240 s. 1920×1080: as many frames as fill
everything that is in flight."""

RATE = 25
THREADS = 2
GROWTH = 1.10
GIB = 6.0


def main(
    long: Annotated[float, typer.Option("--long", help="Seconds of the long clip.")] = 240,
    short: Annotated[float, typer.Option("--short", help="Seconds of the short clip.")] = 10,
    large: Annotated[int, typer.Option("--large", help="Frames of 1920x1080.")] = 96,
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    report = Report("memory", "Peak memory", PROTOCOL, model)
    jobs = {"short": ("640x360", round(short * RATE)), "long": ("640x360", round(long * RATE)), "1080p": ("1920x1080", large)}
    peaks: dict[tuple[str, str], float] = {}
    lines = []
    for name, (size, frames) in jobs.items():
        with scratch() as folder:
            source, coded, back = (Path(folder, file) for file in ("source.mp4", "clip.vtc", "back.mp4"))
            python("-m", "benchmarks.scenes", source, "--size", size, "--frames", frames)
            for verb, words in {"encode": (source, "-o", coded, "--model", model), "decode": (coded, "-o", back)}.items():
                ran = vtc(verb, *words, "--threads", THREADS, "--json")
                if ran.values["frames"] != frames:
                    raise RuntimeError(f"{verb} of {name}: {ran.values['frames']} frames of {frames}")
                peaks[name, verb] = ran.peak
                report.rows.append({
                    "clip": name, "size": size, "frames": frames, "verb": verb, "peak_mib": ran.peak, "fps": ran.values["fps"],
                    "wall": ran.wall,
                })  # fmt: skip
                lines.append([size, f"{frames / RATE:g}", verb, f"{ran.peak:.0f}", f"{ran.values['fps']:.1f}", f"{ran.wall:.1f}"])
    for verb in ("encode", "decode"):
        growth = peaks["long", verb] / peaks["short", verb]
        report.claim(
            f"{verb}: peak of {long:g} s of 640×360 within 10 % of that of {short:g} s",
            f"{peaks['long', verb]:.0f} against {peaks['short', verb]:.0f} MiB, {growth - 1:+.1%}", growth <= GROWTH,
        )  # fmt: skip
    for verb in ("encode", "decode"):
        gib = peaks["1080p", verb] / 1024
        report.claim(f"{verb}: 1080p under {GIB:g} GiB", f"{gib:.2f} GiB over {large} frames", gib < GIB)
    report.table(["size", "seconds", "verb", "peak MiB", "fps", "wall s"], lines, "All runs")
    report.write(out)


if __name__ == "__main__":
    typer.run(main)
