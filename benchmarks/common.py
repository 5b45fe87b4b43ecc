"""What all benchmarks share: their options, the clips, worker processes, pictures of a coded file, and how results are written."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import typer

from vtc.bench.machine import machine

RESULTS = Path(__file__).parent / "results"
ENDINGS = (".mp4", ".mkv", ".avi", ".mov", ".webm")

Data = Annotated[Path, typer.Option("--data", envvar="VTC_EVAL", help="Folder of evaluation clips.", exists=True)]
Limit = Annotated[int, typer.Option("--limit", help="At most so many clips, evenly chosen; 0: all.")]
Model = Annotated[str, typer.Option("--model", help="Bundle, by name or path.")]
Workers = Annotated[int, typer.Option("--workers", help="Processes of one thread each.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the results.")]

Job = TypeVar("Job")
Found = TypeVar("Found")


def clips(data: Path, limit: int = 0) -> list[Path]:
    """The videos in a folder and below, by name."""
    found = sorted(path for path in data.rglob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        raise typer.BadParameter(f"no videos in {data}", param_hint="--data")
    count = min(limit or len(found), len(found))
    return [found[i * len(found) // count] for i in range(count)]


def label(path: Path) -> str:
    """A clip as results name it: its folder and name."""
    return f"{path.parent.name}/{path.name}"


def parallel(work: Callable[[Job], Found], jobs: Sequence[Job], workers: int) -> Iterator[Found]:
    """`work` on every job, results in order of the jobs, in fresh processes of one thread each; a line of progress on stderr."""
    began = time.monotonic()
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_single_thread) as pool:
        for number, found in enumerate(pool.map(work, jobs), 1):
            print(f"\r{number} of {len(jobs)}, {time.monotonic() - began:.0f} s ", end="", file=sys.stderr, flush=True)
            yield found
    print(file=sys.stderr)


def _single_thread() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"


def coded_pictures(path: Path, steps: int = 1) -> Iterator[np.ndarray]:
    """The pictures of a `.vtc` file at the size they were coded at (decoding brings them to the source's), uint8 [H, W, 3]."""
    from vtc.codec.model import load_model
    from vtc.codec.player import Player
    from vtc.codec.weights import find_identity
    from vtc.container import open_reader

    with open_reader(path) as reader:
        model = load_model(find_identity(reader.header.bundle, reader.header.model), threads=1)
        for played in Player(reader, model, steps=steps).play(0, len(reader.index.segments)):
            assert played.frames is not None
            yield from played.frames


def square(source: Path, target: Path, frames: int, side: int | None = 128) -> np.ndarray | None:
    """The first `frames` of a clip, short side scaled to `side`, the top left square of it (None: whole, at its own size): written to
    `target`, an mp4, without loss, and uint8 [frames, height, width, 3]. None of a clip that is shorter."""
    from vtc.bench.prepare import Protocol, TooShort, prepare

    try:
        return np.stack(list(prepare(source, Protocol(side, frames, "top-left"), target).pictures()))
    except TooShort:
        return None


def write_lossless(pictures: Iterable[np.ndarray], path: Path, rate: float) -> Path:
    """Pictures uint8 [H, W, 3] as RGB in FFV1 (`path` ends in mp4, which keeps times exactly)."""
    from vtc.media import SinkInfo, open_sink
    from vtc.media.timing import as_rate

    every = iter(pictures)
    first = next(every)
    exact = as_rate(rate)
    info = SinkInfo(first.shape[1], first.shape[0], 1 / exact, exact)
    with open_sink(path, info, codec="ffv1", threads=1) as sink:
        sink.write(first, 0, 1)
        for number, picture in enumerate(every, 1):
            sink.write(picture, number, 1)
    return path


def scratch() -> "tempfile.TemporaryDirectory[str]":
    """A folder that is gone afterwards."""
    return tempfile.TemporaryDirectory(prefix="vtc-bench-")


def psnr(first: Iterable[np.ndarray], second: Iterable[np.ndarray]) -> tuple[float, float]:
    """dB: mean over frames, and from the squared error of all frames."""
    from vtc.bench.metrics import Meter, pairs

    meter = Meter(ssim=False)
    for a, b in pairs(first, second):
        meter.add(a, b)
    found = meter.result()
    return found.psnr, found.psnr_clip


def untrained(recipe: str, run: Path, data: Path, path: Path) -> None:
    """Write the bundle that a run of a recipe, size tiny, started from, with all tables that a file needs: fitted to the training clips."""
    from vtc.training.data import index_folders
    from vtc.training.objectives import create
    from vtc.training.recipe import find_recipe

    objective, model = create(find_recipe(recipe, "tiny"), index_folders([data]), run, None)
    objective.export(model.eval(), path, lambda text: None)


@dataclass
class Report:
    """Results of one benchmark: rows for machines (NAME.jsonl), tables and claims for people (NAME.md)."""

    name: str
    title: str
    protocol: str
    model: str | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    claims: list[dict[str, Any]] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.bundle = bundle(self.model) if self.model else "none"

    def claim(self, text: str, found: str, met: bool | None) -> None:
        """Something that is asked of vtc, what was found, and whether that is met (None: a finding, neither)."""
        self.claims.append({"claim": text, "found": found, "met": met})

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
        """A table of the page; floats are to be formatted already."""
        if title:
            self.text(f"### {title}")
        lines = [header, ["---"] * len(header), *rows]
        self._text.append("\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines))

    def text(self, text: str) -> None:
        """A paragraph of the page."""
        self._text.append(text)

    def write(self, out: Path) -> None:
        """Writes both files and shows the page on stdout."""
        head = {
            "benchmark": self.name,
            "protocol": " ".join(self.protocol.split()),
            "command": command(),
            "bundle": self.bundle,
            "machine": machine(),
            "seconds": round(time.monotonic() - self._began, 1),
            "claims": self.claims,
        }
        if self.model and bundle(self.model) != self.bundle:
            raise RuntimeError(f"the bundle {self.model} was replaced while it was measured; run this again")
        verdicts = {True: "met", False: "**not met**", None: "finding"}
        facts = [f"- {key}: {head[key]}" for key in ("command", "bundle", "machine", "seconds")]
        page = [f"# {self.title}", str(head["protocol"]), "\n".join(facts)]
        if self.claims:
            page.append("\n".join(f"- {verdicts[c['met']]}: {c['claim']}: {c['found']}" for c in self.claims))
        out.mkdir(parents=True, exist_ok=True)
        text = "\n\n".join([*page, *self._text]) + "\n"
        (out / f"{self.name}.md").write_text(text, encoding="utf-8")
        lines = [json.dumps(line, ensure_ascii=False) for line in (head, *self.rows)]
        (out / f"{self.name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(text)


def bundle(model: str) -> str:
    """Name and sha256 of a bundle."""
    from vtc.codec.weights import describe, find

    found = describe(find(model))
    return f"{found.name}, sha256 {found.sha256}"


def command() -> str:
    """The command that is running, `python -m` this benchmark; paths of this machine without their folders."""
    words = [Path(word).name if os.sep in word else word for word in sys.argv[1:]]
    return " ".join(["python -m benchmarks." + Path(sys.argv[0]).stem, *words])


def mean(values: Iterable[float]) -> float:
    """Arithmetic mean."""
    return float(np.mean(list(values)))
