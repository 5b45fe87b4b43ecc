"""The row of speed.jsonl: one codec, coding or decoding one video of one size and length on one device."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vtc.bench.row import DONE
from vtc.errors import FormatError

ENCODE, DECODE = "encode", "decode"


@dataclass(frozen=True)
class SpeedRow:
    """What was measured. Rows of one `key` are the same measurement, and the last of them counts.

    `codec`, with `bundle`, its sha256; `verb`: ENCODE or DECODE; `device`: "cpu" or the name of a GPU; `threads`. `width`, `height`,
    `frames` of the video; `scene`: what it shows. `seconds`: wall time of the verb once everything is loaded, the median of `runs`;
    `startup`: wall time until then; `peak_mib`: resident memory, on a GPU that of the device. `parts`: seconds of "read", "network",
    "entropy" and "write" in one run of their own, where parts that run beside each other add up to more than the whole.
    """

    codec: str
    verb: str
    device: str
    threads: int
    width: int
    height: int
    frames: int
    scene: str = ""
    bundle: str = ""
    status: str = DONE
    reason: str = ""
    seconds: float = 0.0
    startup: float | None = None
    runs: int = 1
    peak_mib: float | None = None
    parts: dict[str, float] = field(default_factory=dict)
    command: str = ""
    machine: str = ""
    version: str = ""

    @property
    def key(self) -> tuple[str | int, ...]:
        """What was measured."""
        where = (self.codec, self.bundle, self.device, self.threads, self.verb)
        return (*where, self.width, self.height, self.frames, self.scene)

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / max(self.seconds, 1e-9)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> SpeedRow:
        """From a line of `to_json`. Raises `FormatError`; names that are not known are passed over."""
        try:
            values: dict[str, Any] = json.loads(line)
            known = {each.name for each in fields(cls)}
            return cls(**{name: value for name, value in values.items() if name in known})
        except (ValueError, TypeError, AttributeError) as problem:
            raise FormatError(f"not a row of speed: {line[:60]!r}", "remove that line of speed.jsonl") from problem


def read_speeds(path: Path) -> list[SpeedRow]:
    """The rows of a speed.jsonl, the last of every key, by key; none where there is no such file. A line that was torn off at the end is
    passed over. Raises `FormatError` for any other line that is no row."""
    if not path.is_file():
        return []
    whole, _, _ = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    return latest(SpeedRow.from_json(line) for line in whole.splitlines() if line.strip())


def latest(rows: Iterable[SpeedRow]) -> list[SpeedRow]:
    """The last row of every key, by key."""
    kept = {row.key: row for row in rows}
    return [kept[key] for key in sorted(kept)]
