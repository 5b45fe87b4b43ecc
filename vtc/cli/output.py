"""What a verb says and where: progress and remarks on stderr, its result on stdout, one JSON object with --json, nothing with -q."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

Advance = Callable[[int, int], None]
"""Called as work goes on with (frames done, bytes so far), both since the beginning."""


class Output:
    """The voice of one command. `as_json`: results as one JSON object; `quiet`: only errors and asked-for JSON."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json, self.quiet = as_json, quiet

    def note(self, text: str) -> None:
        """A remark for the person at the terminal (stderr)."""
        if not self.quiet:
            stderr().print(text, highlight=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Something was lost or guessed; the work goes on (stderr)."""
        if not self.quiet:
            stderr().print(f"[yellow]warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True)

    def result(self, values: Mapping[str, Any], *shown: RenderableType) -> None:
        """The answer of a verb that was asked for one (stdout): `values` with --json, else what is `shown`."""
        if self.as_json:
            self.json(values)
        elif not self.quiet:
            out = stdout()
            for item in shown:
                out.print(item, highlight=False, soft_wrap=isinstance(item, str))

    def done(self, values: Mapping[str, Any], line: str) -> None:
        """The end of a verb whose product is a file: one line on stderr, `values` on stdout with --json."""
        if self.as_json:
            self.json(values)
        else:
            self.note(line)

    def json(self, values: Mapping[str, Any]) -> None:
        """One JSON object and a newline on stdout."""
        sys.stdout.write(json.dumps(plain(values), ensure_ascii=False) + "\n")
        sys.stdout.flush()

    @contextmanager
    def progress(self, what: str, frames: int | None) -> Iterator[Advance]:
        """A bar with frames, fps, time left and bytes, where stderr is a terminal. `frames` None: the total is not known."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, size: None
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[fps]:.1f} fps"),
            TextColumn("{task.fields[size]}"),
            TimeRemainingColumn(compact=True),
        )
        started = time.monotonic()
        of = f"/{frames}" if frames else ""
        with Progress(*columns, console=stderr(), transient=True) as bar:
            task = bar.add_task(what, total=frames, count=f"0{of}", fps=0.0, size="")

            def advance(done: int, size: int) -> None:
                speed = done / max(time.monotonic() - started, 1e-6)
                bar.update(task, completed=done, count=f"{done}{of}", fps=speed, size=readable(size) if size else "")

            yield advance


def readable(size: float) -> str:
    """A number of bytes for people, in powers of 1000: `12.3 kB`."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.5 or unit == "GB":
            break
    return f"{size:.3g} {unit}"


def clock(seconds: float) -> str:
    """A time for people: `0:07.5`, `1:02:03.0`."""
    minutes, rest = divmod(max(seconds, 0.0), 60)
    hours, minutes = divmod(int(minutes), 60)
    head = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{head}:{rest:04.1f}"


def plain(value: Any) -> Any:
    """JSON of `value`: numbers that JSON lacks (infinity, nan) become null, tuples lists, paths and fractions text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (bytes, bytearray)):
        return value.hex()
    return str(value)


def escape(text: str) -> str:
    """`text` such that rich prints it as it is."""
    from rich.markup import escape as escaped

    return escaped(text)


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def stdout() -> Console:
    from rich.console import Console

    # Not a terminal: whole lines for the next program, not lines broken at 80 columns.
    return Console() if sys.stdout.isatty() else Console(width=120, no_color=True)
