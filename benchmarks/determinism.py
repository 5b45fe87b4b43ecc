"""Whether the same input gives the same bytes, and the same bytes the same symbols, whatever the threads.

    python -m benchmarks.determinism --data eval
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import RESULTS, Limit, Model, Out, Report, clips, label, scratch
from vtc.bench.processes import vtc
from vtc.bench.scenes import render

PROTOCOL = """The rendered scene (320×240, 72 frames) and clips chosen evenly from the folder, at their own size,
default options. Encoded twice with --threads 2 and once with --threads 1, each in a process of its own; the files are
compared byte by byte, and their symbols where they differ. Symbols of the file are then read with 1 and 2 threads, in
order and segment by segment from the end, and compared as integers. Batches: the file is encoded again with the
network's batches at a quarter and at four times their size; the batch is fixed in the program, so that this tells of
the network's floats only. Pictures: decoded with 1 and 2 threads, 8 bit."""

BATCHES = (0.25, 4.0)


def main(
    data: Annotated[Path | None, typer.Option("--data", envvar="VTC_EVAL", help="Folder of evaluation clips.")] = None,
    limit: Limit = 4,
    model: Model = "onedva",
    out: Out = RESULTS,
) -> None:
    report = Report("determinism", "The same bytes, the same symbols", PROTOCOL, model)
    with scratch() as folder:
        paths = [render(Path(folder, "scene.mp4"), 320, 240, 72), *(clips(data, limit) if data else [])]
        for path in paths:
            report.rows.append({"clip": label(path) if path != paths[0] else "scene", **measure(path, Path(folder), model)})
    names = ("twice", "threads", "threads_symbols", "decode_threads", "decode_order", "batches", "pictures")
    header = ["clip", "two encodes", "threads 1 and 2", "symbols that differ"]
    header += ["decoding, threads 1 and 2", "decoding, any order", "other batches", "pictures, threads 1 and 2"]
    report.table(header, [[row["clip"], *(told(row[name]) for name in names)] for row in report.rows])

    def same(name: str) -> tuple[str, bool]:
        count = sum(row[name] is True for row in report.rows)
        return f"{count} of {len(report.rows)} clips", count == len(report.rows)

    report.claim("two encodes of the same input are byte-identical", *same("twice"))
    found, met = same("threads")
    if not met:
        apart = sum(row["threads_symbols"] for row in report.rows)
        total = sum(row["symbols"] for row in report.rows)
        found += f"; floats of the network round differently there: {apart} of {total} symbols"
    report.claim("--threads 1 and --threads 2 give identical bytes", found, True if met else None)
    report.claim("symbols decode exactly whatever the threads", *same("decode_threads"))
    report.claim("symbols decode exactly in any order of segments", *same("decode_order"))
    found, met = same("batches")
    report.claim("other batches of the network give identical bytes", found, True if met else None)
    report.write(out)


def measure(source: Path, folder: Path, model: str) -> dict[str, Any]:
    """All comparisons of one clip."""
    files = {name: folder / f"{name}.vtc" for name in ("two", "again", "one")}
    for name, path in files.items():
        vtc("encode", source, "-o", path, "--model", model, "--threads", 1 if name == "one" else 2, "-y", "-q")
    two, again, one = (path.read_bytes() for path in files.values())
    plain = symbols(files["two"], threads=2)
    alone = symbols(files["one"], threads=2)
    return {
        "twice": two == again, "threads": two == one, "bytes": len(two),
        "symbols": sum(array.size for segment in plain for array in segment.values()),
        "threads_symbols": sum(apart(a, b) for a, b in zip(plain, alone)),
        "decode_threads": equal(plain, symbols(files["two"], threads=1)),
        "decode_order": equal(plain, symbols(files["two"], threads=2, backwards=True)),
        "batches": all(batched(source, folder / "batch.vtc", model, factor) == two for factor in BATCHES),
        "pictures": pictures(files["two"], 1, 2),
    }  # fmt: skip


def symbols(path: Path, threads: int, backwards: bool = False) -> list[dict[str, np.ndarray]]:
    """The symbols of every segment by stream; `backwards`: each segment asked for from the end."""
    import vtc as library

    with library.open(path, threads=threads) as video:
        order = range(video.segments)
        found = {number: video.tokens(number) for number in (reversed(order) if backwards else order)}
    return [found[number] for number in order]


def equal(first: list[dict[str, np.ndarray]], second: list[dict[str, np.ndarray]]) -> bool:
    return len(first) == len(second) and all(apart(a, b) == 0 for a, b in zip(first, second))


def apart(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> int:
    """How many symbols of a segment differ; all of a stream whose lengths differ."""
    return sum(
        int((array != second[name]).sum()) if array.shape == second[name].shape else max(array.size, second[name].size)
        for name, array in first.items()
    )


def batched(source: Path, path: Path, model: str, factor: float) -> bytes:
    """The file that batches of another size give, with two threads."""
    import vtc as library
    from vtc.codec.network import CALL_PIXELS

    usual = dict(CALL_PIXELS)
    try:
        CALL_PIXELS.update({device: round(pixels * factor) for device, pixels in usual.items()})
        library.encode(source, path, model=model, threads=2, overwrite=True)
    finally:
        CALL_PIXELS.update(usual)
    return path.read_bytes()


def pictures(path: Path, *threads: int) -> str:
    """How far pictures decoded with different threads are from each other."""
    import vtc as library

    several = []
    for count in threads:
        with library.open(path, threads=count) as video:
            several.append(video.frames[:].astype(np.int16))
    difference = np.abs(several[0] - several[1])
    return "identical" if not difference.any() else f"up to {difference.max()} of 255, {(difference > 0).mean():.2e} of all values"


def told(value: bool | int | str) -> str:
    return ("identical" if value else "**differ**") if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    typer.run(main)
