"""`vtc decode`: a `.vtc` file to a video, frames or an array."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtc.cli.options import Debug, Device, End, Json, Quiet, Start, Threads, Yes, crop, piped, rate, size, span
from vtc.cli.output import Output, clock, readable

if TYPE_CHECKING:
    from vtc.codec.options import DecodeOptions

EXAMPLES = (
    "vtc decode clip.vtc -o clip.mp4",
    "vtc decode clip.vtc -o real.mp4 --steps 8",
    "vtc decode clip.vtc -o frames/ --start 2 --end 3",
    "vtc decode clip.vtc -o clip.npy --size 128",
    "vtc decode clip.vtc -o slow.mp4 --decoder coordinate --fps 60 --scale 2 --crop 40,20,160,120",
    "vtc decode broken.vtc -o saved.mp4 --on-damage skip",
    "vtc decode clip.vtc -o - | ffplay -",
)


def decode(
    source: Annotated[str, typer.Argument(metavar="IN.vtc", help="A .vtc file; - is stdin.")],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="By its ending: .mp4 .mkv .webm .mov .y4m .npy, or a folder of PNG; - is stdout.",
        ),
    ],
    decoder: Annotated[
        str | None,
        typer.Option("--decoder", metavar="diffusion|coordinate", help="Which one paints.", show_default="the bundle's"),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=1, help="1: closest to the source; 8: best to the eye.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the noise, for --steps above 1.")] = 0,
    start: Start = None,
    end: End = None,
    to_size: Annotated[
        str | None, typer.Option("--size", metavar="WxH|SHORT", help="Paint or resample at this size.", show_default="the source's")
    ] = None,
    scale: Annotated[float | None, typer.Option("--scale", metavar="X", help="Paint or resample so many times as large.")] = None,
    fps: Annotated[str | None, typer.Option("--fps", metavar="X", help="Paint frames in between, or repeat and leave out.")] = None,
    region: Annotated[
        str | None, typer.Option("--crop", metavar="X,Y,W,H", help="Only this part, in pixels of the source.")
    ] = None,
    on_damage: Annotated[
        str, typer.Option("--on-damage", metavar="fail|skip|freeze", help="Stop at damage, leave it out, or hold a frame.")
    ] = "fail",
    codec: Annotated[
        str | None, typer.Option("--codec", metavar="NAME", help="Of the video written.", show_default="by the ending")
    ] = None,
    crf: Annotated[int, typer.Option("--crf", metavar="N", help="Of the video written; lower: closer.")] = 12,
    audio: Annotated[str, typer.Option("--audio", metavar="copy|none", help="Write the sound back, or not.")] = "copy",
    device: Device = "auto",
    threads: Threads = None,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Decode a .vtc file."""
    from vtc.codec.options import DecodeOptions
    from vtc.codec.output import refuse_existing

    first, last = span(start, end)
    options = DecodeOptions(
        decoder=decoder,
        steps=steps,
        seed=seed,
        start=first,
        end=last,
        size=size(to_size),
        scale=scale,
        fps=rate(fps),
        crop=crop(region),
        on_damage=on_damage,
        codec=codec,
        crf=crf,
        audio=audio,
        device=device,
        threads=threads,
    )
    # What cannot work is refused here, before torch is loaded.
    piped(output, as_json=json)
    refuse_existing(output, yes)
    total = frames_ahead(source, options)
    out = Output(as_json=json, quiet=quiet)

    from vtc.codec.decode import decode as decode_video

    with out.progress("decoding", total) as advance:
        result = decode_video(source, output, options, overwrite=yes, progress=advance)
    for warning in result.warnings:
        out.warn(warning)
    for number, begin, finish, reason in result.lost:
        out.warn(f"segment {number} ({clock(begin)} to {clock(finish)}) is lost: {reason}")
    speed = f"{result.frames} frames in {result.seconds:.1f} s, {result.fps:.1f} fps"
    path = Path(output)
    written = f"{readable(path.stat().st_size)}, " if path.is_file() else ""
    out.done(result.values(), f"{output}: {written}{speed}")


def frames_ahead(source: str, options: DecodeOptions) -> int | None:
    """About how many frames will be written. Refuses files that are no `.vtc`, or whose bundle is not at hand."""
    if source == "-" or Path(source).is_fifo():
        return None
    from vtc.codec.weights import find_identity
    from vtc.container import open_reader

    with open_reader(source) as reader:
        find_identity(reader.header.bundle, reader.header.model)
        duration, frames = reader.duration, reader.index.frames
    if not duration:
        return frames
    until = min(duration, Fraction(options.end)) if options.end is not None else duration
    length = max(until - Fraction(options.start or 0), Fraction(0))
    return round(length * (Fraction(options.fps) if options.fps else frames / duration))
