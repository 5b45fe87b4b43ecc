"""Frames a second of encode and decode at 320×240, what starting costs, and where the time goes.

    python -m benchmarks.speed --data eval
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer

from benchmarks.common import RESULTS, Model, Out, Report, scratch
from vtc.bench.processes import Ran, vtc
from vtc.bench.scenes import render

PROTOCOL = """Two clips of 320×240: the rendered scene (240 frames at 25 a second, H.264 crf 18) and the first clip of
that size in the folder, if one is given. Each command is a process of its own, --threads 2, default options, decode
with --steps 1 into mp4 (x264, crf 12), source and output on disk. fps: frames over the command's own JSON `seconds`,
all of reading, coding and writing, without loading Python, torch and the bundle; the best and the median of the runs.
Start-up: wall time of the process less these seconds. Seconds by part are taken in one more run within one process,
where parts run beside each other in threads: they add up to more than the whole."""

WIDTH, HEIGHT, FRAMES, THREADS = 320, 240, 240, 2
WANTED = 40.0
HELP_WANTED = 0.5


def main(
    data: Annotated[Path | None, typer.Option("--data", envvar="VTC_EVAL", help="Folder of evaluation clips.")] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Of each command.")] = 3,
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    report = Report("speed", "Speed at 320×240 on two threads", PROTOCOL, model)
    lines, parts = [], []
    slowest: dict[str, float] = {}
    with scratch() as folder:
        for name, source in sources(data, Path(folder)):
            coded, back = Path(folder, f"{name}.vtc"), Path(folder, f"{name}.mp4")
            verbs = {
                "encode": ("encode", source, "-o", coded, "--model", model),
                "decode": ("decode", coded, "-o", back, "--steps", 1),
            }
            for verb, words in verbs.items():
                done = [vtc(*words, "--threads", THREADS, "--json", "-y") for _ in range(runs)]
                row = figures(name, verb, done)
                report.rows.append(row)
                lines.append([
                    name, verb, row["frames"], f"{row['fps_best']:.1f}", f"{row['fps_median']:.1f}", f"{row['wall']:.2f}",
                    f"{row['startup']:.2f}", f"{row['cpu']:.2f}",
                ])  # fmt: skip
                slowest[verb] = min(slowest.get(verb, float("inf")), row["fps_best"])
            parts += by_part(name, source, coded, back, model)
    for verb, fps in slowest.items():
        report.claim(f"{verb} at 320×240, {WANTED:g} fps or more on two cores", f"{fps:.1f} fps, the slower clip", fps >= WANTED)
    helps = sorted(vtc("--help").wall for _ in range(5))
    report.rows.append({"command": "vtc --help", "wall": helps})
    report.claim(f"vtc --help under {HELP_WANTED:g} s", f"median {median(helps):.2f} s, best {helps[0]:.2f} s", median(helps) < HELP_WANTED)
    report.table(["clip", "verb", "frames", "best fps", "median fps", "wall s", "start-up s", "CPU s"], lines, "Whole commands")
    report.rows += parts
    header = ["clip", "verb", "part", "wall s", "share of the run"]
    cells = [[row["clip"], row["verb"], row["part"], f"{row['seconds']:.2f}", f"{row['share']:.0%}"] for row in parts]
    report.table(header, cells, "Seconds by part (side by side, so more than 100 %)")
    report.write(out)


def sources(data: Path | None, folder: Path) -> Iterator[tuple[str, Path]]:
    """Name and path of the clips to measure."""
    from benchmarks.common import clips, label
    from vtc.media import open_source

    yield "scene", render(folder / "scene.mp4", WIDTH, HEIGHT, FRAMES)
    for path in clips(data) if data else []:
        with open_source(path) as video:
            if (video.info.width, video.info.height) == (WIDTH, HEIGHT) and (video.info.frame_estimate or 0) >= 100:
                yield label(path).replace("/", "-"), path
                return


def figures(name: str, verb: str, done: list[Ran]) -> dict[str, Any]:
    """The runs of a command in numbers; fps by its own seconds."""
    speeds = sorted(ran.values["fps"] for ran in done)
    return {
        "clip": name, "verb": verb, "frames": done[0].values["frames"], "threads": THREADS,
        "fps": speeds, "fps_best": speeds[-1], "fps_median": median(speeds),
        "wall": median(ran.wall for ran in done), "startup": median(ran.wall - ran.values["seconds"] for ran in done),
        "cpu": median(ran.cpu for ran in done), "peak_mib": max(ran.peak for ran in done),
    }  # fmt: skip


def by_part(name: str, source: Path, coded: Path, back: Path, model: str) -> list[dict[str, Any]]:
    """Seconds in each part of an encode and a decode, run here."""
    from vtc.bench.parts import decode_parts, encode_parts
    from vtc.codec.weights import find

    where = find(model), "cpu", THREADS
    rows = []
    for verb, found in {"encode": encode_parts(source, coded, *where), "decode": decode_parts(coded, back, *where)}.items():
        rows += [
            {"clip": name, "verb": verb, "part": part, "seconds": seconds, "share": seconds / found.whole}
            for part, seconds in {**found.seconds, "whole run": found.whole}.items()
        ]
    return rows


if __name__ == "__main__":
    typer.run(main)
