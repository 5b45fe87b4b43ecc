"""Whether the tiles of a large frame can be seen: gradients across their borders against those elsewhere.

    python -m benchmarks.seams --data eval
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
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
    scratch,
    write_lossless,
)

PROTOCOL = """1280×720: the rendered scene, and clips chosen evenly from the folder, brought to that size (bicubic);
32 frames, written as RGB without loss, default options. For every column and row of pixels: the mean absolute
difference to the one before it, over frames, colours and the length of the line. Borders: where the fade of one tile
into the next begins, its middle and its end. Ratio: the mean of the lines at borders over the mean of the others up to
64 pixels away; the score is the decoded video's ratio over the source's, so that the picture itself cancels; 1 is no
seam. Every transform that works on patches of 16×16, tiled or not, leaves steps on that grid; the second score holds
borders against lines at the same place of the 16-grid. By chance: the first score of that pattern of lines shifted to
where no tile ends, mean and standard deviation."""

WIDTH, HEIGHT, FRAMES, PATCH = 1280, 720, 32, 16
NEAR = 64
"""Pixels to either side of a border whose lines it is held against."""
LEAST = 0.05
SCENE = "scene"

Lines = tuple[np.ndarray, np.ndarray]
"""For columns and for rows: numbers of lines, or a number for every line."""


@dataclass(frozen=True)
class Job:
    path: Path | None
    model: str


def main(
    data: Annotated[Path | None, typer.Option("--data", envvar="VTC_EVAL", help="Folder of evaluation clips.")] = None,
    limit: Limit = 3,
    model: Model = "onedva",
    workers: Workers = 2,
    out: Out = RESULTS,
) -> None:
    report = Report("seams", "Seams between tiles at 1280×720", PROTOCOL, model)
    paths = [path for path in clips(data) if frames_of(path) >= FRAMES] if data else []
    count = min(limit or len(paths), len(paths))
    chosen = [paths[i * len(paths) // count] for i in range(count)]
    report.rows = list(parallel(measure, [Job(None, model), *(Job(path, model) for path in chosen)], workers))
    report.table(
        ["clip", "ratio, source", "ratio, decoded", "score", "by chance", "score at the same place of the patch grid"],
        [
            [row["clip"], f"{row['source']:.3f}", f"{row['decoded']:.3f}", f"{row['score']:.3f}",
             f"{row['chance_mean']:.3f} ± {row['chance_deviation']:.3f}", f"{row['score_alike']:.3f}"]
            for row in report.rows
        ],
        f"Tiles: {report.rows[0]['tiles']}",
    )  # fmt: skip
    claim = "gradient across tile borders within 5 % of that inside tiles"
    for key, against in (("score", ""), ("score_alike", " at the same place of the patch grid")):
        score = report.rows[0][key]
        report.claim(f"{claim}{against}, rendered scene", f"{score - 1:+.1%}", abs(score - 1) <= LEAST)
        if chosen:
            score = mean(row[key] for row in report.rows)
            report.claim(f"{claim}{against}, mean of {len(report.rows)} clips", f"{score - 1:+.1%}", abs(score - 1) <= LEAST)
    report.write(out)


def frames_of(path: Path) -> int:
    """How many frames a clip says it has."""
    from vtc.media import open_source

    with open_source(path) as video:
        return video.info.frame_estimate or 0


def measure(job: Job) -> dict[str, Any]:
    """Encode and decode one clip; its ratios and scores."""
    import vtc
    from vtc.codec.tiles import layout
    from vtc.container import open_reader
    from vtc.media import render_scene

    pictures = list(render_scene(WIDTH, HEIGHT, FRAMES)) if job.path is None else enlarged(job.path)
    with scratch() as folder:
        source, coded = Path(folder, "source.mp4"), Path(folder, "clip.vtc")
        write_lossless(pictures, source, 24)
        result = vtc.encode(source, coded, model=job.model, threads=1)
        decoded = profile(coded_pictures(coded))
        with open_reader(coded) as reader:
            tiles = layout(-(-reader.header.height // PATCH) * PATCH, -(-reader.header.width // PATCH) * PATCH)
    before = profile(pictures)
    borders = ends(tiles.lefts, tiles.tile_width), ends(tiles.tops, tiles.tile_height)
    chance = [near(decoded, lines, borders) / near(before, lines, borders) for lines in shifted(borders)]
    ratios = [near(video, borders, borders) for video in (before, decoded)]
    alike = [near(video, borders, borders, PATCH) for video in (before, decoded)]
    return {
        "clip": SCENE if job.path is None else label(job.path), "frames": FRAMES, "bytes": result.bytes,
        "tiles": f"{len(tiles.lefts)} x {len(tiles.tops)} of {tiles.tile_width}x{tiles.tile_height}, {describe(borders)}",
        "source": ratios[0], "decoded": ratios[1], "score": ratios[1] / ratios[0],
        "chance_mean": float(np.mean(chance)), "chance_deviation": float(np.std(chance)),
        "source_alike": alike[0], "decoded_alike": alike[1], "score_alike": alike[1] / alike[0],
    }  # fmt: skip


def enlarged(path: Path) -> list[np.ndarray]:
    """The first frames of a clip at 1280×720."""
    from vtc.codec.plan import eight_bit
    from vtc.media import open_source

    with open_source(path, size=(WIDTH, HEIGHT), threads=1) as video:
        return [eight_bit(frame.rgb) for frame in islice(video.frames(), FRAMES)]


def profile(pictures: Iterable[np.ndarray]) -> Lines:
    """For every column and row, the mean absolute difference to the one before it; 0 for the first."""
    columns, rows = np.zeros(WIDTH), np.zeros(HEIGHT)
    count = 0
    for picture in pictures:
        values = picture.astype(np.int16)
        columns[1:] += np.abs(np.diff(values, axis=1)).mean((0, 2))
        rows[1:] += np.abs(np.diff(values, axis=0)).mean((1, 2))
        count += 1
    return columns / count, rows / count


def ends(corners: tuple[int, ...], side: int) -> np.ndarray:
    """The lines where one tile begins to fade into the next, where it is half gone, and where it ends."""
    from vtc.codec.tiles import fade

    fades = [fade(corner + side, later) for corner, later in pairwise(corners)]
    return np.array(sorted({line for start, stop in fades for line in (start, (start + stop) // 2, stop)}), int)


def shifted(borders: Lines) -> list[Lines]:
    """The pattern of borders moved by multiples of 16 pixels, where it meets no real border."""
    found = []
    for step in range(-WIDTH // PATCH, WIDTH // PATCH):
        columns, rows = (lines + step * PATCH for lines in borders)
        inside = min(columns.min(), rows.min()) > PATCH and columns.max() < WIDTH - PATCH and rows.max() < HEIGHT - PATCH
        if inside and not any(np.intersect1d(*pair).size for pair in zip((columns, rows), borders)):
            found.append((columns, rows))
    return found


def near(video: Lines, lines: Lines, borders: Lines, every: int = 1) -> float:
    """Mean gradient of `lines` over that of lines up to 64 pixels away, `every` so many, that are neither these nor borders."""
    here, there = 0.0, 0.0
    for values, own, real in zip(video, lines, borders):
        for line in own:
            around = line + every * np.arange(-NEAR // every, NEAR // every + 1)
            others = np.setdiff1d(around[(around > 0) & (around < len(values))], np.union1d(own, real))
            here, there = here + values[line], there + values[others].mean()
    return float(here / there)


def describe(borders: Lines) -> str:
    """Where the borders lie, in words."""
    columns, rows = (" ".join(map(str, lines)) or "none" for lines in borders)
    return f"borders at columns {columns} and rows {rows}"


if __name__ == "__main__":
    typer.run(main)
