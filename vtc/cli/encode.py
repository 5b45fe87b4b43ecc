"""`vtc encode`: any video to a `.vtc` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtc.cli.options import Debug, Device, End, Json, Quiet, Start, Threads, Yes, byte_count, piped, rate, size, span
from vtc.cli.output import Output, readable

if TYPE_CHECKING:
    from vtc.codec.options import EncodeOptions

EXAMPLES = (
    "vtc encode clip.mp4 -o clip.vtc",
    "vtc encode film.mkv -o film.vtc --quality 70 --start 1:00 --end 1:30 --json",
    "vtc encode clip.mp4 -o small.vtc --size 128 --audio none",
    "vtc encode clip.mp4 -o mail.vtc --max-bytes 200k",
    "vtc encode clip.mp4 -o tight.vtc --effort 2",
    "vtc encode clip.vtc -o less.vtc --length 0.5",
    "cat clip.mkv | vtc encode - -o - > clip.vtc",
)


def encode(
    source: Annotated[str, typer.Argument(metavar="IN", help="Any video that FFmpeg reads; - is stdin.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT.vtc", help="Where to; - is stdout.")],
    model: Annotated[str, typer.Option("--model", metavar="BUNDLE", help="Name or path of a bundle.")] = "onedva",
    quality: Annotated[
        int, typer.Option("--quality", metavar="0..100", min=0, max=100, help="Higher: better and larger.")
    ] = 50,
    bpp: Annotated[
        float | None,
        typer.Option("--bpp", metavar="X", help="The best quality of at most X bits a pixel (sound not counted); encodes several times."),
    ] = None,
    max_bytes: Annotated[
        str | None,
        typer.Option("--max-bytes", metavar="N", help="The best quality of at most N bytes, sound and all; 200k and 1.5M are fine."),
    ] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option("--min-psnr", metavar="DB", help="The smallest file of at least this RGB PSNR, decoded with one step."),
    ] = None,
    length: Annotated[
        float, typer.Option("--length", metavar="FACTOR", help="Of the 1D latents that the motion asks for.")
    ] = 1.0,
    tokens: Annotated[
        int | None, typer.Option("--tokens", metavar="N", help="Keep N 1D latents a tile, whatever the motion.")
    ] = None,
    group: Annotated[
        int | None,
        typer.Option(
            "--group",
            metavar="N",
            min=1,
            help="Segments that may lean on the one before; 1: each stands alone.",
            show_default="about five seconds of them",
        ),
    ] = None,
    effort: Annotated[
        int,
        typer.Option(
            "--effort",
            metavar="0..4",
            min=0,
            max=4,
            help="Spend time on bytes. 1: more vectors. 2: many more. "
            "3 and 4: symbols refined by gradients through the decoder, in 12 and 48 steps a segment.",
        ),
    ] = 0,
    entropy: Annotated[
        str,
        typer.Option("--entropy", metavar="auto|packed|static|context", help="How symbols become bytes; auto: the shortest."),
    ] = "auto",
    start: Start = None,
    end: End = None,
    to_size: Annotated[
        str | None,
        typer.Option("--size", metavar="WxH|SHORT", help="Code at this size; decoding goes back to the source's."),
    ] = None,
    fps: Annotated[str | None, typer.Option("--fps", metavar="X", help="Code at this frame rate.")] = None,
    audio: Annotated[str, typer.Option("--audio", metavar="copy|none", help="Carry the sound as it is, or not.")] = "copy",
    device: Device = "auto",
    threads: Threads = None,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Encode a video into a .vtc file, or cut the 1D latents of a .vtc file (--length, --tokens) without encoding it again."""
    from vtc.codec.options import EncodeOptions, check_cut
    from vtc.codec.output import refuse_existing
    from vtc.codec.weights import find
    from vtc.container import is_vtc

    first, last = span(start, end)
    options = EncodeOptions(
        model=model,
        quality=quality,
        bpp=bpp,
        max_bytes=byte_count(max_bytes, "--max-bytes"),
        min_psnr=min_psnr,
        length=length,
        tokens=tokens,
        group=group,
        effort=effort,
        entropy=entropy,
        start=first,
        end=last,
        size=size(to_size),
        fps=rate(fps),
        audio=audio,
        device=device,
        threads=threads,
    )
    # What cannot work is refused here, before torch is loaded.
    piped(output, as_json=json)
    refuse_existing(output, yes)
    if is_vtc(source):
        check_cut(source, options)
        total = None
    else:
        total = frames_ahead(source, options)
        find(model)
    out = Output(as_json=json, quiet=quiet)

    from vtc.codec.encode import encode as encode_video
    from vtc.codec.targets import target_of

    targeted = target_of(options) is not None
    with out.progress("searching" if targeted else "encoding", total) as advance:
        result = encode_video(source, output, options, overwrite=yes, progress=advance)
    for warning in result.warnings:
        out.warn(warning)
    speed = f"{result.frames} frames in {result.seconds:.1f} s, {result.fps:.1f} fps"
    if result.psnr is not None:
        speed = f"quality {result.quality:g}, {result.psnr:.2f} dB, {speed}"
    out.done(result.values(), f"{output}: {readable(result.bytes)}, {result.bpp:.4f} bpp, {speed}")


def frames_ahead(source: str, options: EncodeOptions) -> int | None:
    """About how many frames will be read, where the file says so. Refuses files that are no video."""
    if source == "-" or Path(source).is_fifo():
        return None
    from vtc.media import open_source

    with open_source(source, start=options.start, end=options.end, fps=options.fps) as video:
        return video.info.frame_estimate
