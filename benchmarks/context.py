"""What the `context` profile saves against `static` at equal symbols, and what it costs in time.

    python -m benchmarks.context --data eval
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from benchmarks.common import RESULTS, Data, Limit, Model, Out, Report, Workers, clips, label, mean, parallel, scratch
from benchmarks.speed import THREADS, figures, sources
from vtc.bench.processes import vtc
from vtc.codec.model import load_model
from vtc.codec.player import Player
from vtc.codec.weights import find, find_identity
from vtc.container import Writer, open_reader

PROTOCOL = """Bytes: every clip of the folder with --size 128, all frames, default quality and group, encoded with --entropy context,
sound left out, and its symbols coded once more with static into a file as --entropy static writes it; the symbols of all
segments of both files are read back and compared. Saving:
1 - bytes with context / bytes with static, of whole files and of each stream alone; means over clips. Speed: the two
clips of the benchmark `speed` at 320×240, --threads 2, --steps 1, as it measures them (frames over the command's own
seconds, the best of the runs), with either profile. Shares: wall seconds inside of the entropy coder, in one more run
within one process, over those of the whole run; an encoder's include decoding what it wrote."""

SMALL = 128
PROFILES = ("static", "context")
SAVING, SHARES, SPEEDS = 0.2, {"encode": 0.15, "decode": 0.25}, {"encode": 25.0, "decode": 40.0}


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    quality: int


def main(
    data: Data,
    limit: Limit = 0,
    quality: int = 50,
    runs: int = 3,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("context", "The context profile against static", PROTOCOL, model)
    report.rows = list(parallel(measure, [Job(path, model, quality) for path in clips(data, limit)], workers))
    same = sum(row["same"] for row in report.rows)
    report.claim("both profiles give the same symbols", f"{same} of {len(report.rows)} clips", same == len(report.rows))
    saved = mean(row["saving"] for row in report.rows)
    report.claim(f"context saves {SAVING:.0%} of the bytes of static or more", f"{saved:.1%}, mean over clips", saved >= SAVING)
    totals = {profile: sum(row["bytes"][profile] for row in report.rows) for profile in PROFILES}
    kinds = sorted({kind for row in report.rows for kind in row["streams"]})
    lines = [["whole file", *(totals[profile] for profile in PROFILES), f"{saved:.1%}"]]
    for kind in kinds:
        those = [row["streams"][kind] for row in report.rows]
        share = mean(1 - each["context"] / each["static"] for each in those if each["static"])
        lines.append([kind, *(sum(each[profile] for each in those) for profile in PROFILES), f"{share:.1%}"])
    report.table(["", "bytes, static", "bytes, context", "mean saving"], lines, "Bytes of all clips")
    speed(report, data, runs, model)
    cells = [[row["clip"], *(row["bytes"][p] for p in PROFILES), f"{row['saving']:.1%}"] for row in report.rows if "saving" in row]
    report.table(["clip", "bytes, static", "bytes, context", "saving"], cells, "Clips")
    report.write(out)


def measure(job: Job) -> dict[str, Any]:
    """Bytes of one clip with either profile, and whether the symbols are the same."""
    import vtc as library

    files: dict[str, int] = {}
    streams: dict[str, dict[str, int]] = {}
    symbols: dict[str, list[dict[str, np.ndarray]]] = {}
    with scratch() as folder:
        paths = {profile: Path(folder, f"{profile}.vtc") for profile in PROFILES}
        known: dict[str, Any] = {"model": job.model, "quality": job.quality, "size": SMALL, "audio": "none", "threads": 1}
        library.encode(job.path, paths["context"], entropy="context", **known)
        recode(paths["context"], paths["static"], "static")
        for profile, path in paths.items():
            files[profile] = path.stat().st_size
            for name, count in stream_bytes(path).items():
                streams.setdefault(name, {})[profile] = count
            with library.open(path, threads=1) as video:
                symbols[profile] = [video.tokens(number) for number in range(video.segments)]
    pairs = zip(symbols["static"], symbols["context"], strict=True)
    same = all(a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in pairs)
    return {
        "clip": label(job.path), "bytes": files, "streams": streams, "same": same, "saving": 1 - files["context"] / files["static"]
    }  # fmt: skip


def recode(source: Path, target: Path, entropy: str) -> None:
    """A `.vtc` file without sound with all its symbols coded by another profile: what an encode with that profile writes."""
    with open_reader(source) as reader, target.open("wb") as file:
        model = load_model(find_identity(reader.header.bundle, reader.header.model), threads=1)
        geometry = model.geometry(reader.header.width, reader.header.height)
        writer, before = Writer(file), None
        writer.write_header(reader.header)
        writer.write_meta(reader.tags)
        for segment, symbols in Player(reader, model).symbols(0, len(reader.index.segments)):
            known = symbols, geometry, before if segment.leans else None, segment.step
            writer.write_segment(replace(segment, streams=model.coder.encode(*known, entropy)[0]))
            before = symbols
        writer.close()


def stream_bytes(path: Path) -> dict[str, int]:
    """Bytes of every stream of a file."""
    counts: Counter[str] = Counter()
    with open_reader(path) as reader:
        names = [stream.name for stream in load_model(find_identity(reader.header.bundle, reader.header.model), threads=1).streams]
        for number in range(len(reader.index.segments)):
            counts.update({names[stream.id]: len(stream.data) for stream in reader.segment(number).streams})
    return dict(counts)


def speed(report: Report, data: Path, runs: int, model: str) -> None:
    """Frames a second and the entropy coder's share, with either profile."""
    from vtc.bench.parts import decode_parts, encode_parts

    lines: list[list[object]] = []
    with scratch() as folder:
        for name, source in sources(data, Path(folder)):
            for profile in PROFILES:
                coded, back = Path(folder, f"{name}.vtc"), Path(folder, f"{name}.mp4")
                verbs = {
                    "encode": ("encode", source, "-o", coded, "--model", model, "--entropy", profile),
                    "decode": ("decode", coded, "-o", back, "--steps", 1),
                }
                for verb, words in verbs.items():
                    done = [vtc(*words, "--threads", THREADS, "--json", "-y") for _ in range(runs)]
                    where = find(model), "cpu", THREADS
                    if verb == "encode":
                        parts = encode_parts(source, coded, *where, entropy=profile)
                    else:
                        parts = decode_parts(coded, back, *where)
                    share = parts.seconds["entropy"] / parts.whole
                    row = {**figures(name, verb, done), "entropy": profile, "entropy_share": share}
                    report.rows.append(row)
                    lines.append([name, verb, profile, f"{row['fps_best']:.1f}", f"{row['fps_median']:.1f}", f"{share:.1%}"])
    for verb, least in SPEEDS.items():
        those = [row for row in report.rows if row.get("verb") == verb and row["entropy"] == "context"]
        slow, most, asked = min(row["fps_best"] for row in those), max(row["entropy_share"] for row in those), SHARES[verb]
        report.claim(f"{verb} at 320×240 with context, {least:g} fps or more", f"{slow:.1f} fps, the slower clip", slow >= least)
        report.claim(f"entropy coding under {asked:.0%} of the time to {verb}", f"{most:.1%}, the larger share", most < asked)
    report.table(["clip", "verb", "profile", "best fps", "median fps", "share of entropy coding"], lines, "Speed at 320×240")


if __name__ == "__main__":
    typer.run(main)
