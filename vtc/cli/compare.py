"""`vtc compare`: how far two videos are from each other, and a picture or video of both."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli.options import Debug, End, Json, Quiet, Start, Yes, size, span
from vtc.cli.output import Output
from vtc.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from vtc.bench.metrics import Distance
    from vtc.cli.options import Size

EXAMPLES = (
    "vtc compare clip.mp4 decoded.mp4",
    "vtc compare clip.mp4 decoded.mp4 -o side-by-side.png",
    "vtc compare clip.mp4 decoded.mp4 -o side-by-side.mp4 --size 360 --json",
)

PICTURE = ".png"
VIDEOS = (".mp4", ".mkv", ".webm", ".mov")


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A video, usually the source.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The video to hold against it.")],
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="OUT", help="A beside B: a picture (.png) or a video (.mp4 .mkv .webm)."),
    ] = None,
    to_size: Annotated[
        str | None, typer.Option("--size", metavar="WxH|SHORT", help="Bring both to this size before comparing.")
    ] = None,
    start: Start = None,
    end: End = None,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure PSNR and SSIM between two videos, frame by frame, on 8-bit RGB."""
    if output and not output.lower().endswith((PICTURE, *VIDEOS)):
        raise UsageError(f"{output}: neither a picture nor a video", f"end it in {', '.join((PICTURE, *VIDEOS))}")
    begin, finish = span(start, end)
    both = size(to_size)
    out = Output(as_json=json, quiet=quiet)
    found, warnings = measure(first, second, out, size=both, start=begin, end=finish, output=output, overwrite=yes)
    for warning in warnings:
        out.warn(warning)
    values: dict[str, Any] = {**asdict(found), "output": output}
    out.result(values, table(found))
    if not json and output:
        out.note(f"{output}: {first} left, {second} right")


def measure(
    first: str,
    second: str,
    out: Output,
    *,
    size: Size = None,
    start: float | None = None,
    end: float | None = None,
    output: str | None = None,
    overwrite: bool = False,
) -> tuple[Distance, list[str]]:
    """The distance between two videos, with what is to be warned of; draws them beside each other into `output`."""
    from vtc.bench.metrics import Meter, pairs
    from vtc.cli.side_by_side import Album, Film
    from vtc.codec.output import refuse_existing
    from vtc.codec.plan import eight_bit
    from vtc.media import open_source

    if output:
        refuse_existing(output, overwrite)
    meter = Meter()
    with ExitStack() as stack:
        one = stack.enter_context(open_source(first, start=start, end=end, size=size))
        other = stack.enter_context(open_source(second, start=start, end=end, size=size))
        advance = stack.enter_context(out.progress("comparing", one.info.frame_estimate))
        canvas: Album | Film | None = None
        if output:
            canvas = Album(output) if output.lower().endswith(PICTURE) else Film(output, one.info)
            stack.enter_context(canvas)
        for count, (a, b) in enumerate(pairs(one.frames(), other.frames()), 1):
            left, right = eight_bit(a.rgb), eight_bit(b.rgb)
            meter.add(left, right)
            if canvas:
                canvas.add(left, right, a.pts, a.duration)
            advance(count, 0)
        found = meter.result()
    return found, [f"{name}: {text}" for name, video in ((first, one), (second, other)) for text in video.warnings]


def table(found: Distance) -> Table:
    """The distance, a line for each number."""
    from rich.table import Table

    ssim = f"{found.ssim:.4f}" if found.ssim is not None else f"unavailable: {found.ssim_reason}"
    lines = {
        "frames": f"{found.frames} of {found.width}x{found.height}",
        "psnr": f"{found.psnr:.2f} dB, mean over frames",
        "psnr of the clip": f"{found.psnr_clip:.2f} dB, from the mean squared error of all frames",
        "worst frame": f"{found.psnr_worst:.2f} dB, frame {found.worst}",
        "ssim": ssim,
    }
    shown = Table.grid(padding=(0, 2))
    shown.add_column(style="bold")
    for name, text in lines.items():
        shown.add_row(name, text)
    return shown
