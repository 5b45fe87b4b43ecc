"""`vtc bench`: rate and distortion of bundles and classical codecs on the same frames."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli.options import Debug, Device, Json, Quiet, Threads
from vtc.cli.output import Output, clock
from vtc.errors import UsageError

if TYPE_CHECKING:
    from vtc.bench.row import Row
    from vtc.bench.runner import Outcome, Progress
    from vtc.bench.speed_row import SpeedRow

EXAMPLES = (
    "vtc bench --dataset folder --data-root clips --limit 4 --out results",
    "vtc bench --dataset ucf101 --data-root ~/data --frames 16 --codecs onedva,x265 --metrics psnr,lpips,fvd",
    "vtc bench --dataset uvg --data-root ~/uvg --size own --frames 128 --codecs onedva,svtav1 --workers 8",
    "vtc bench --speed --codecs onedva --out results",
)

CODECS = "onedva,x264,x265,x265-half,svtav1,vp9"
METRICS = "psnr,psnr-yuv,ssim,ms-ssim,xpsnr,feature"


def bench(
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="ucf101|xiph|uvg|folder", help="Where the clips are from.")
    ] = "folder",
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", envvar="VTC_DATA", help="Where the data set lies.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Results go here; what is there already is not done again.")
    ] = Path("bench"),
    to_size: Annotated[
        str, typer.Option("--size", metavar="N|own", help="Side of the square that is cut out of every frame.")
    ] = "128",
    frames: Annotated[
        str, typer.Option("--frames", metavar="N|all", help="So many from the start; shorter clips are left out.")
    ] = "16",
    crop: Annotated[
        str, typer.Option("--crop", metavar="centre|top-left", help="Where the square lies.")
    ] = "centre",
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many clips, evenly chosen; 0: all.")] = 0,
    codecs: Annotated[
        str, typer.Option("--codecs", metavar="A,B", help="Bundles, by name or path, and x264, x264-psnr, x265, "
                          "x265-psnr, x265-half (half size, scaled back), svtav1, vp9, vvenc.")
    ] = CODECS,
    points: Annotated[
        int, typer.Option("--points", min=1, max=20, help="Of every codec's curve, from its high rates to its low ones.")
    ] = 5,
    qualities: Annotated[
        str | None, typer.Option("--qualities", metavar="A,B", help="Of bundles, instead of --points.")
    ] = None,
    steps: Annotated[str, typer.Option("--steps", metavar="A,B", help="Decoding steps of bundles.")] = "1",
    decoder: Annotated[
        str, typer.Option("--decoder", metavar="NAME", help="Of bundles that have several.", show_default="theirs")
    ] = "",
    presets: Annotated[
        str, typer.Option("--presets", metavar="fast,medium,slow", help="Of the classical codecs.")
    ] = "medium",
    keyframes: Annotated[
        str, typer.Option("--keyframes", metavar="default,N", help="By each codec's rule, or every N frames.")
    ] = "default,16",
    metrics: Annotated[
        str, typer.Option("--metrics", metavar="A,B", help="psnr, psnr-yuv, ssim, ms-ssim, xpsnr, lpips, lpips-vgg, vmaf, feature, fvd.")
    ] = METRICS,
    metric_weights: Annotated[
        Path | None,
        typer.Option("--metric-weights", metavar="DIR", envvar="VTC_METRIC_WEIGHTS", help="Folder of weights that metrics need."),
    ] = None,
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Clips that the report shows pictures of.")] = 6,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes of one thread each.")] = 1,
    speed: Annotated[
        bool, typer.Option("--speed", help="Measure frames a second, start-up, memory and parts of bundles instead.")
    ] = False,
    device: Device = "cpu",
    threads: Threads = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure bytes and quality of bundles and classical codecs on the same frames; finished rows are kept and not done again."""
    output = Output(as_json=json, quiet=quiet)
    if speed:
        measure_speed(output, codecs.split(","), out, device, threads)
        return
    from vtc.bench.catalogue import asked_metrics
    from vtc.bench.codecs import find_coders
    from vtc.bench.coder import Sweep
    from vtc.bench.datasets import find_clips
    from vtc.bench.lock import held
    from vtc.bench.prepare import protocol_of

    protocol = protocol_of(to_size, frames, crop)
    sweep = Sweep(
        _words(presets, "--presets", ("fast", "medium", "slow")),
        _keyframes(keyframes), points, _numbers(qualities, "--qualities", 0, 100), _numbers(steps, "--steps", 1, 1000),
        decoder,
    )  # fmt: skip
    asked = asked_metrics(metrics.split(","))
    clips = find_clips(dataset, data_root, limit)
    coders = find_coders(codecs.split(","), device)

    from vtc.bench.runner import Request, run

    request = Request(dataset, clips, protocol, coders, sweep, asked, out, metric_weights, pictures, workers, typed())
    with held(out):
        output.note(f"{len(clips)} clips of {dataset}: {protocol.text}")
        with progress(output) as advance:
            outcome = run(request, advance)
        told(output, outcome)
        written = published(output, out)
    values = {
        "out": str(out), "protocol": protocol.name, "rows": len(outcome.rows), "measured": outcome.fresh,
        "failed": len(outcome.failed), "left_out": outcome.left_out, "unavailable": outcome.unavailable,
        "files": [str(path) for path in written],
    }  # fmt: skip
    count = f"{len(outcome.rows)} rows, {outcome.fresh} measured now, {len(outcome.failed)} failed"
    output.done(values, f"{out}: {count}" + (f"; {out / 'report.html'} shows them" if written else ""))
    if outcome.rows and len(outcome.failed) == len(outcome.rows):
        raise typer.Exit(1)


def measure_speed(output: Output, codecs: list[str], out: Path, device: str, threads: int | None) -> None:
    """`--speed`: rows of speed.jsonl, told one by one."""
    from vtc.bench.bundles import Bundle
    from vtc.bench.codecs import find_coders
    from vtc.bench.lock import held
    from vtc.bench.row import FAILED
    from vtc.bench.speed import all_devices, run_speed

    bundles = [coder for coder in find_coders(codecs) if isinstance(coder, Bundle)]
    if not bundles:
        raise UsageError("--speed measures bundles, and --codecs names none", "such as --codecs onedva")

    def tell(row: SpeedRow) -> None:
        words = row.reason if row.status == FAILED else f"{row.fps:.1f} fps, {row.peak_mib:.0f} MiB"
        output.note(f"{row.codec} {row.verb} {row.width}x{row.height}, {row.frames} frames, {row.device}: {words}")

    devices = all_devices() if device == "auto" else [device]
    with held(out):
        rows = run_speed(bundles, out, devices, threads, progress=tell)
        written = published(output, out)
    failed = sum(row.status == FAILED for row in rows)
    values = {"out": str(out), "rows": len(rows), "failed": failed, "files": [str(path) for path in written]}
    output.done(values, f"{out}: {len(rows)} rows of speed, {failed} failed or left out")


def published(output: Output, out: Path) -> list[Path]:
    """Writes tables, plots and the report, where matplotlib is installed; gives their names."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        output.warn('no tables, plots and report without matplotlib: pip install "vtc[bench]", then the same command again')
        return []
    from vtc.bench.publish import publish

    return publish(out)


def told(output: Output, outcome: Outcome) -> None:
    """What was left out, and why, a line for each reason."""
    for name, reason in outcome.unavailable.items():
        output.warn(f"{name} is unavailable: {reason}")
    for name, reason in outcome.left_out.items():
        output.warn(f"{name} is left out: {reason}")
    reasons: dict[str, list[Row]] = {}
    for row in outcome.failed:
        reasons.setdefault(row.reason, []).append(row)
    for reason, rows in reasons.items():
        first = f"{rows[0].clip}, {rows[0].codec} {rows[0].point}"
        more = f" and {len(rows) - 1} more rows" if len(rows) > 1 else ""
        output.warn(f"{first}{more}: {reason}")


@contextmanager
def progress(output: Output) -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a line now and then."""
    if output.quiet or not sys.stderr.isatty():
        yield _lines(output)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from vtc.cli.output import stderr

    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=stderr(), transient=True) as bar:
        task = bar.add_task("starting")

        def advance(done: int, total: int, row: Row | None) -> None:
            bar.update(task, completed=done, total=total, description="" if row is None else f"{row.codec} {row.point} {row.clip}")

        yield advance


def _lines(output: Output, every: float = 60.0) -> Progress:
    began = last = time.monotonic()

    def advance(done: int, total: int, row: Row | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= every:
            last = now
            output.note(f"{done} of {total} rows, {clock(now - began)}, about {clock((now - began) / done * (total - done))} to go")

    return advance


def typed() -> str:
    """The command line as a person typed it; folders of this machine by their last name."""
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    return shlex.join(["vtc", *words])


def _words(text: str, option: str, known: tuple[str, ...]) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if wrong := [word for word in words if word not in known]:
        raise UsageError(f"{option} {wrong[0]!r}: not known", f"some of {', '.join(known)}")
    return words


def _keyframes(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if wrong := [word for word in words if word != "default" and not (word.isdecimal() and 1 <= int(word) <= 1000)]:
        raise UsageError(f"--keyframes {wrong[0]!r}: not known", "default, a distance in frames (16), or both: default,16")
    return words


def _numbers(text: str | None, option: str, least: int, most: int) -> tuple[int, ...]:
    words: list[Any] = [] if text is None else [word.strip() for word in text.split(",")]
    if any(not word.isdecimal() or not least <= int(word) <= most for word in words):
        raise UsageError(f"{option} {text!r}: whole numbers from {least} to {most} are wanted", "separated by commas")
    return tuple(dict.fromkeys(int(word) for word in words))
