"""Options that several verbs share, and how their texts are read. Wrong texts are usage errors (exit 2)."""

from __future__ import annotations

import re
import sys
from fractions import Fraction
from typing import Annotated

import typer

from vtc.errors import UsageError

Size = tuple[int, int] | int | None
"""(width, height), the short side, or as it is."""


class State:
    """What the error reporter must know even when a verb failed before it could say so."""

    debug = False


def _debug(value: bool) -> bool:
    State.debug = State.debug or value
    return value


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show the traceback of a failure.", callback=_debug, is_eager=True)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Overwrite an existing output.")]
Device = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda[:N]", help="Where the network runs.")]
Threads = Annotated[
    int | None, typer.Option("--threads", metavar="N", min=1, help="Processor threads to use.", show_default="all")
]
Start = Annotated[str | None, typer.Option("--start", metavar="TIME", help="From this time: seconds, or [H:]M:SS.")]
End = Annotated[str | None, typer.Option("--end", metavar="TIME", help="Up to this time: seconds, or [H:]M:SS.")]


def seconds(text: str | None, option: str) -> float | None:
    """Seconds of `12.5`, `1:02.5` or `1:00:02`; None of None."""
    if text is None:
        return None
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", text):
        raise UsageError(f"{option} {text!r} is not a time", "give seconds (12.5) or H:MM:SS (0:01:12.5)")
    total = 0.0
    for part in text.split(":"):
        total = total * 60 + float(part)
    return total


def span(start: str | None, end: str | None) -> tuple[float | None, float | None]:
    """Both ends in seconds, checked for order."""
    first, last = seconds(start, "--start"), seconds(end, "--end")
    if last is not None and last <= (first or 0.0):
        raise UsageError(f"--end {end} is not after --start {start or 0}", "swap the two, or leave one out")
    return first, last


def size(text: str | None, option: str = "--size") -> Size:
    """`640x360` -> (width, height); `128` -> the short side; None of None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", text)
    if not match or not all(int(part) for part in match.groups() if part is not None):
        raise UsageError(f"{option} {text!r} is not a size", "give WIDTHxHEIGHT (640x360) or the short side alone (128)")
    width, height = match.groups()
    return (int(width), int(height)) if height else int(width)


def rate(text: str | None) -> Fraction | None:
    """Frames per second of `25`, `23.976` or `30000/1001`; None of None."""
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6}|/\d{1,6})?", text) or text.endswith("/0") or not Fraction(text):
        raise UsageError(f"--fps {text!r} is not a frame rate", "give frames per second: 25, 23.976 or 30000/1001")
    return Fraction(text)


def byte_count(text: str | None, option: str) -> int | None:
    """`200000`, `200k`, `1.5M`, `1.5MB` or `1MiB` -> bytes, rounded down: k, M, G are powers of 1000, Ki, Mi, Gi of 1024; None of None."""
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?)(?:([kKMG])(i?))?B?", text)
    if not match or not Fraction(match[1]):
        raise UsageError(f"{option} {text!r} is not a number of bytes", "give bytes (200000), or with a suffix: 200k, 1.5M, 1GiB")
    power = " kMG".index(match[2].replace("K", "k")) if match[2] else 0
    return int(Fraction(match[1]) * (1024 if match[3] else 1000) ** power)


def crop(text: str | None) -> tuple[int, int, int, int] | None:
    """`X,Y,W,H` -> four numbers; None of None."""
    if text is None:
        return None
    if not re.fullmatch(r"\d{1,5}(,\d{1,5}){3}", text):
        raise UsageError(f"--crop {text!r} is not a rectangle", "give X,Y,WIDTH,HEIGHT in pixels of the source")
    x, y, width, height = map(int, text.split(","))
    return x, y, width, height


def device(text: str) -> str:
    """Checks the spelling of --device; whether the machine has it is asked when the network is loaded."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", text):
        raise UsageError(f"--device {text!r} is not known", "give auto, cpu, cuda or cuda:N")
    return text


def piped(output: str, *, as_json: bool) -> None:
    """Checks, before any work is done, that binary output may go to stdout where `output` is `-`."""
    if output != "-":
        return
    if as_json:
        raise UsageError("--json and -o - both write to stdout", "name a file with -o, or leave out --json")
    if sys.stdout.isatty():
        raise UsageError("the output is binary and stdout is a terminal", "pipe it on, or name a file with -o")
