"""`vtc verify`: is a `.vtc` file what was written?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vtc.cli.options import Debug, Json, Quiet
from vtc.cli.output import Output, clock
from vtc.errors import DamageError

if TYPE_CHECKING:
    from vtc.container import Reader

EXAMPLES = ("vtc verify clip.vtc", "vtc verify clip.vtc --deep", "vtc verify clip.vtc --json")

Damage = dict[str, Any]


def verify(
    source: Annotated[str, typer.Argument(metavar="IN.vtc", help="A .vtc file; - is stdin.")],
    deep: Annotated[bool, typer.Option("--deep", help="Decode the symbols as well; needs the bundle.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check every checksum of a .vtc file and name what is damaged; exit 1 if anything is."""
    from vtc.container import open_reader

    out = Output(as_json=json, quiet=quiet)
    with open_reader(source) as reader:
        findings = reader.verify()
        damage = [
            {
                "chunk": finding.chunk,
                "segment": finding.segment,
                "seconds": start_of(reader, finding.segment),
                "offset": finding.span.offset,
                "bytes": finding.span.length,
                "problem": finding.problem,
            }
            for finding in findings
            if not finding.ok
        ]
        if deep:
            known = {item["segment"] for item in damage}
            damage += [item for item in bad_symbols(reader, out) if item["segment"] not in known]
        segments = len(reader.index.segments)
    values = {"ok": not damage, "chunks": len(findings), "segments": segments, "deep": deep, "damage": damage}
    depth = ", symbols too" if deep else ""
    lines = [line(item) for item in damage] or [f"{source}: sound, {len(findings)} chunks, {segments} segments{depth}"]
    out.result(values, *lines)
    if damage:
        raise DamageError(
            f"{source} is damaged in {len(damage)} places" if len(damage) > 1 else f"{source} is damaged",
            "copy it again, or decode what is whole with --on-damage skip",
        )


def bad_symbols(reader: Reader, out: Output) -> list[Damage]:
    """Decode all symbols; what could not be decoded. Segments that lean on a damaged one are passed over with it."""
    from vtc.codec.model import load_model
    from vtc.codec.player import Player
    from vtc.codec.weights import find_identity

    segments = reader.index.segments
    model = load_model(find_identity(reader.header.bundle, reader.header.model), "cpu", None)
    player = Player(reader, model)
    damage: list[Damage] = []
    number = frames = 0
    with out.progress("decoding symbols", reader.index.frames) as advance:
        while number < len(segments):
            try:
                for segment, _ in player.symbols(number, len(segments)):
                    number = segment.number + 1
                    frames += segment.frames
                    advance(frames, 0)
            except DamageError as problem:
                number = number if problem.segment is None else problem.segment
                place = {"chunk": "SEGM", "segment": number, "seconds": start_of(reader, number)}
                damage.append({**place, "problem": problem.message})
                number += 1
                while number < len(segments) and segments[number].leans:
                    number += 1
    return damage


def start_of(reader: Reader, segment: int | None) -> float | None:
    """Seconds from the first frame to a segment, where one is meant."""
    if segment is None or segment >= len(reader.index.segments):
        return None
    entries = reader.index.segments
    return float((entries[segment].pts - entries[0].pts) * reader.header.time_base)


def line(item: Damage) -> str:
    """One damage for people."""
    what = item["chunk"] if item["segment"] is None else f"segment {item['segment']}"
    when = "" if item["seconds"] is None else f" at {clock(item['seconds'])}"
    where = f" (bytes {item['offset']} to {item['offset'] + item['bytes']})" if item.get("bytes") else ""
    return f"{what}{when}{where}: {item['problem']}"
