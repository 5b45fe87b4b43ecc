"""What the `context` profile saves against `static` at equal symbols.

    python -m benchmarks.context --data eval
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import RESULTS, Data, Limit, Model, Out, Report, Workers, clips, label, mean, parallel, scratch
from vtc.codec.model import load_model
from vtc.codec.player import Player
from vtc.codec.weights import find_identity
from vtc.container import Writer, open_reader

PROTOCOL = """The first seconds of every clip of the folder (--seconds) with --size 128, default group, encoded with --entropy
context, sound left out, and its symbols coded once more with static into a file as --entropy static writes it; the
symbols of all segments of both files are read back and compared. Saving: 1 - bytes with context / bytes with static, of
whole files and of each stream alone; means over clips."""

SMALL = 128
PROFILES = ("static", "context")
SAVING = 0.2


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    quality: int
    seconds: float


def main(
    data: Data,
    limit: Limit = 0,
    qualities: Annotated[list[int] | None, typer.Option("--quality", help="May be repeated. Default: 25 and 50.")] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="Of each clip.")] = 2.5,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("context", "The context profile against static", PROTOCOL, model)
    chosen = sorted(qualities or (25, 50))
    jobs = [Job(path, model, quality, seconds) for quality in chosen for path in clips(data, limit)]
    report.rows = list(parallel(measure, jobs, workers))
    same = sum(row["same"] for row in report.rows)
    report.claim("both profiles give the same symbols", f"{same} of {len(report.rows)} files", same == len(report.rows))
    for quality in chosen:
        rows = [row for row in report.rows if row["quality"] == quality]
        saved = mean(row["saving"] for row in rows)
        claim = f"context saves {SAVING:.0%} of the bytes of static or more, --quality {quality}"
        report.claim(claim, f"{saved:.1%}, mean over clips", saved >= SAVING)
        lines = [["whole file", *(sum(row["bytes"][p] for row in rows) for p in PROFILES), f"{saved:.1%}"]]
        for name in rows[0]["streams"]:
            those = [row["streams"][name] for row in rows]
            share = mean(1 - each["context"] / each["static"] for each in those if each["static"])
            lines.append([name, *(sum(each[p] for each in those) for p in PROFILES), f"{share:.1%}"])
        report.table(["", "bytes, static", "bytes, context", "mean saving"], lines, f"Bytes of all clips, --quality {quality}")
    cells = [[row["clip"], row["quality"], *(row["bytes"][p] for p in PROFILES), f"{row['saving']:.1%}"] for row in report.rows]
    report.table(["clip", "quality", "bytes, static", "bytes, context", "saving"], cells, "Clips")
    report.write(out)


def measure(job: Job) -> dict[str, Any]:
    """Bytes of one clip with either profile, and whether the symbols are the same."""
    import vtc as library

    files: dict[str, int] = {}
    streams: dict[str, dict[str, int]] = {}
    symbols: dict[str, list[dict[str, np.ndarray]]] = {}
    with scratch() as folder:
        paths = {profile: Path(folder, f"{profile}.vtc") for profile in PROFILES}
        part: dict[str, Any] = {"quality": job.quality, "size": SMALL, "end": job.seconds, "audio": "none"}
        library.encode(job.path, paths["context"], model=job.model, entropy="context", threads=1, **part)
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
        "clip": label(job.path), "quality": job.quality, "bytes": files, "streams": streams, "same": same,
        "saving": 1 - files["context"] / files["static"],
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


if __name__ == "__main__":
    typer.run(main)
