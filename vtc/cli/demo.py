"""`vtc demo`: a rendered clip there and back, the first thing a newcomer runs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vtc.cli.options import Debug, Device, Json, Quiet, Threads, Yes
from vtc.cli.output import Output, readable

if TYPE_CHECKING:
    from rich.table import Table

    from vtc.bench.metrics import Distance
    from vtc.codec.decode import DecodeResult
    from vtc.codec.result import EncodeResult

EXAMPLES = ("vtc demo", "vtc demo -o try --quality 70")

WIDTH, HEIGHT, FRAMES, RATE = 320, 240, 96, 24
SOURCE_CRF = 12


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder for the files.")] = Path("demo"),
    quality: Annotated[
        int, typer.Option("--quality", metavar="0..100", min=0, max=100, help="Higher: better and larger.")
    ] = 50,
    model: Annotated[str, typer.Option("--model", metavar="BUNDLE", help="Name or path of a bundle.")] = "onedva",
    device: Device = "auto",
    threads: Threads = None,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Render a short clip, encode it, decode it, and show what came of it."""
    from vtc.cli.compare import measure
    from vtc.codec.options import DecodeOptions, EncodeOptions
    from vtc.codec.output import refuse_existing
    from vtc.codec.weights import find

    find(model)  # no bundle, no demo: say so before rendering
    output.mkdir(parents=True, exist_ok=True)
    names = ("source.mp4", "demo.vtc", "decoded.mp4", "side-by-side.png")
    source, coded, decoded, picture = (str(output / name) for name in names)
    for path in (source, coded, decoded, picture):
        refuse_existing(path, yes)
    out = Output(as_json=json, quiet=quiet)
    render(source, out)

    from vtc.codec.decode import decode
    from vtc.codec.encode import encode

    coding = EncodeOptions(model=model, quality=quality, device=device, threads=threads)
    with out.progress("encoding", FRAMES) as advance:
        encoded = encode(source, coded, coding, overwrite=True, progress=advance)
    with out.progress("decoding", FRAMES) as advance:
        back = decode(coded, decoded, DecodeOptions(device=device, threads=threads), overwrite=True, progress=advance)
    found, _ = measure(source, decoded, out, output=picture, overwrite=True)
    values = {
        "frames": encoded.frames,
        "width": encoded.width,
        "height": encoded.height,
        "bytes": encoded.bytes,
        "bpp": encoded.bpp,
        "psnr": found.psnr,
        "psnr_clip": found.psnr_clip,
        "ssim": found.ssim,
        "encode_fps": encoded.fps,
        "decode_fps": back.fps,
        "source_mp4_bytes": Path(source).stat().st_size,
        "model": encoded.model,
        "bundle": encoded.bundle,
        "files": [source, coded, decoded, picture],
    }
    out.result(values, table(source, encoded, back, found))
    if not json:
        out.note(f"\nsource beside decoded: {picture}\n")
        out.note("try next:")
        out.note(f"  vtc info {coded}")
        out.note(f"  vtc encode {source} -o {output / 'small.vtc'} --quality 25")
        out.note(f"  vtc decode {coded} -o {output / 'frames'}/ --start 1 --end 2")
        out.note("  vtc encode YOUR.mp4 -o yours.vtc && vtc decode yours.vtc -o yours.mkv")


def render(path: str, out: Output) -> None:
    """The scene of vtc.media as an mp4, nearly without loss."""
    from vtc.media import SinkInfo, open_sink, render_scene

    info = SinkInfo(WIDTH, HEIGHT, Fraction(1, RATE), Fraction(RATE))
    with out.progress("rendering", FRAMES) as advance, open_sink(path, info, crf=SOURCE_CRF) as sink:
        for number, picture in enumerate(render_scene(WIDTH, HEIGHT, FRAMES, RATE)):
            sink.write(picture, number, 1)
            advance(number + 1, 0)


def table(source: str, encoded: EncodeResult, decoded: DecodeResult, found: Distance) -> Table:
    """What the demo measured."""
    from rich.table import Table

    shown = Table(box=None, header_style="bold", pad_edge=False)
    shown.add_column("demo.vtc", style="bold")
    shown.add_column(f"{encoded.frames} frames of {encoded.width}x{encoded.height}, {encoded.model}")
    size = Path(source).stat().st_size
    raw = encoded.frames * encoded.width * encoded.height * 3
    ssim = f", SSIM {found.ssim:.4f}" if found.ssim is not None else ""
    rows = {
        "bytes": f"{encoded.bytes} ({readable(encoded.bytes)}), 1:{raw / encoded.bytes:.0f} of raw RGB",
        "bpp": f"{encoded.bpp:.4f} bits a pixel",
        "PSNR": f"{found.psnr:.2f} dB in RGB, mean over frames{ssim}",
        "encode": f"{encoded.fps:.1f} fps",
        "decode": f"{decoded.fps:.1f} fps",
        "context": f"source.mp4 is x264 at crf {SOURCE_CRF}, nearly lossless: {readable(size)}. No fair anchor, only scale.",
    }
    for name, text in rows.items():
        shown.add_row(name, text)
    return shown
