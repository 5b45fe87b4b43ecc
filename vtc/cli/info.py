"""`vtc info`: what is in a `.vtc` file. Reads the container only; needs no network and no torch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli.chart import chart
from vtc.cli.options import Debug, Json, Quiet
from vtc.cli.output import Output, clock, readable

if TYPE_CHECKING:
    from rich.table import Table

    from vtc.cli.summary import Row, Summary

EXAMPLES = ("vtc info clip.vtc", "vtc info clip.vtc --segments", "vtc info clip.vtc --json")


def info(
    source: Annotated[str, typer.Argument(metavar="IN.vtc", help="A .vtc file; - is stdin.")],
    segments: Annotated[bool, typer.Option("--segments", help="A row for each segment.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Show what is in a .vtc file: geometry, model, bytes by kind, tokens, a chart over time."""
    from vtc.cli.summary import summarize
    from vtc.container import open_reader

    began = time.monotonic()
    with open_reader(source) as reader:
        summary = summarize(reader)
    out = Output(as_json=json, quiet=quiet)
    for problem in summary.problems:
        out.warn(problem)
    took = time.monotonic() - began
    values = {**summary.values(rows=segments), "seconds": took, "fps": summary.frames / max(took, 1e-9)}
    shown: list[Any] = [overview(source, summary), byte_table(summary), *charts(summary.rows)]
    if segments:
        shown.append(segment_table(summary.rows))
    out.result(values, *shown)


def overview(source: str, summary: Summary) -> Table:
    """What it is, a line for each fact."""
    from rich.table import Table

    header = summary.header
    size = f"{header.source_width}x{header.source_height}"
    if (header.width, header.height) != (header.source_width, header.source_height):
        size += f", coded at {header.width}x{header.height}"
    rate = f"{float(header.frame_rate):.5g} a second" if header.frame_rate else "variable rate"
    colour = f"{'full' if header.colour.full_range else 'limited'} range, {header.bit_depth} bit"
    colour += ", matrix guessed" if header.colour.guessed else ""
    at_hand = "" if summary.bundle_found else "  (not at hand)"
    lengths = [row.length for row in summary.rows if not row.damaged]
    kept = f", {sum(lengths) / len(lengths):.1f} 1D latents a segment and tile" if any(lengths) else ""
    facts = {
        "file": f"{source}, format {'.'.join(map(str, header.version))}",
        "picture": f"{size}, {colour}",
        "frames": f"{summary.frames}, {clock(summary.duration)}, {rate}",
        "segments": f"{len(summary.rows)} of {header.clip_frames} frames, groups of {header.group}",
        "model": f"{header.model}, quality {header.quality}{at_hand}",
        "bundle": f"sha256 {header.bundle.hex()}",
        "entropy": summary.entropy,
        "tokens": f"{summary.tokens}{kept}",
        "bytes": f"{summary.bytes} ({readable(summary.bytes)}), {summary.bpp:.4f} bits a pixel without audio",
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    for name, fact in facts.items():
        table.add_row(name, fact)
    return table


def byte_table(summary: Summary) -> Table:
    """Bytes by kind, with their share."""
    from rich.table import Table

    table = Table("kind", box=None, header_style="bold", pad_edge=False, title_justify="left")
    table.add_column("bytes", justify="right")
    table.add_column("share", justify="right")
    table.add_column("")
    for kind, size in summary.kinds.items():
        if size:
            share = size / summary.bytes
            table.add_row(kind, str(size), f"{100 * share:.1f} %", "█" * round(30 * share))
    return table


def charts(rows: Sequence[Row]) -> list[str]:
    """Kept length and bytes over time."""
    whole = [row for row in rows if not row.damaged]
    if not whole:
        return []
    end = clock(rows[-1].start + rows[-1].duration)
    shown = []
    if any(row.length for row in whole):
        lengths = [row.length for row in rows]
        shown.append(chart("\nkept length over time", lengths, peak=f"{max(lengths):.0f} 1D latents", end=end))
    sizes = [row.bytes for row in rows]
    shown.append(chart("\nbytes over time", sizes, peak=f"{readable(max(sizes))} a segment", end=end))
    return shown


def segment_table(rows: Sequence[Row]) -> Table:
    """A row for each segment."""
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    for name in ("segment", "start", "duration", "frames", "bytes", "tokens", "length"):
        table.add_column(name, justify="right")
    table.add_column("")
    for number, row in enumerate(rows):
        remark = "damaged" if row.damaged else "leans" if row.leans else "stands alone"
        texts = (clock(row.start), f"{row.duration:.2f} s", row.frames, row.bytes, row.tokens, f"{row.length:.1f}")
        table.add_row(str(number), *map(str, texts), remark)
    return table
