"""What the `context` profile costs in time, against `static`.

    python -m benchmarks.context_speed --data eval
"""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common import RESULTS, Model, Out, Report, scratch
from benchmarks.speed import THREADS, figures, sources
from vtc.bench.parts import decode_parts, encode_parts
from vtc.bench.processes import vtc
from vtc.codec.weights import find

PROTOCOL = """The clips of the benchmark `speed` at 320×240, --threads 2, --steps 1, measured as there (frames over the command's
own seconds), encoded with --entropy static and with --entropy context. Shares: wall seconds inside of the entropy coder, in
one more run within one process, over those of the whole run, in which parts run beside each other; an encoder's include
decoding what it wrote."""

PROFILES = ("static", "context")
SHARES, SPEEDS = {"encode": 0.15, "decode": 0.25}, {"encode": 25.0, "decode": 40.0}


def main(
    data: Annotated[Path | None, typer.Option("--data", envvar="VTC_EVAL", help="Folder of evaluation clips.")] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, help="Of each command.")] = 3,
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    report = Report("context_speed", "Time of the context profile", PROTOCOL, model)
    lines: list[list[object]] = []
    where = find(model), "cpu", THREADS
    with scratch() as folder:
        for name, source in sources(data, Path(folder)):
            coded, back = Path(folder, f"{name}.vtc"), Path(folder, f"{name}.mp4")
            for profile in PROFILES:
                verbs = {
                    "encode": ("encode", source, "-o", coded, "--model", model, "--entropy", profile),
                    "decode": ("decode", coded, "-o", back, "--steps", 1),
                }
                for verb, words in verbs.items():
                    done = [vtc(*words, "--threads", THREADS, "--json", "-y") for _ in range(runs)]
                    parts = encode_parts(source, coded, *where, profile) if verb == "encode" else decode_parts(coded, back, *where)
                    share = parts.seconds["entropy"] / parts.whole
                    row = {**figures(name, verb, done), "entropy": profile, "entropy_share": share}
                    report.rows.append(row)
                    lines.append([name, verb, profile, f"{row['fps_best']:.1f}", f"{row['fps_median']:.1f}", f"{share:.1%}"])
    for verb, least in SPEEDS.items():
        those = [row for row in report.rows if row["verb"] == verb and row["entropy"] == "context"]
        slow, most, asked = min(row["fps_best"] for row in those), max(row["entropy_share"] for row in those), SHARES[verb]
        report.claim(f"{verb} at 320×240 with context, {least:g} fps or more", f"{slow:.1f} fps, the slower clip", slow >= least)
        report.claim(f"entropy coding under {asked:.0%} of the time to {verb}", f"{most:.1%}, the larger share", most < asked)
    report.table(["clip", "verb", "profile", "best fps", "median fps", "share of entropy coding"], lines)
    report.write(out)


if __name__ == "__main__":
    typer.run(main)
