"""The row of results.jsonl: one clip, coded by one codec at one point of its quality."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from vtc.errors import FormatError

DONE, FAILED = "done", "failed"

_IDENTITY = ("dataset", "protocol", "clip", "source", "codec", "preset", "keyframes", "point", "settings", "bundle")


@dataclass(frozen=True)
class Row:
    """What was measured, and all that is needed to measure it again. Numbers are 0, None or empty in a row that failed.

    Identity: `dataset`; `protocol`, as "128, 16 frames"; `clip`, its path within the dataset; `source`, sha256 of that file; `codec`,
    such as "onedva-tiny", "x264", "x265-half"; `preset`; `keyframes`, "default" or the distance, as "16"; `point`, the knob in words, as
    "crf28"; `value`, the knob as a number; `settings`, all options and libraries of the codec; `bundle`, sha256 or "".

    Outcome: `status`, "done" or "failed" with a `reason` of one line. `frames`, `width`, `height`, `fps` of the coded clip. `bytes`: the
    payload (for vtc the whole file less audio; for others the packets less SEI units); `container_bytes`: the file on disk; `bpp`: bits of
    `bytes` over frames x width x height. `tokens`, `streams` (bytes by name), `lengths` (kept 1D tokens of every segment): of vtc only.
    `encode_seconds`, `decode_seconds`: without loading weights, in one thread; `peak_mib`: resident memory of the process that did it.
    `metrics`: by name, None where there is none, and then `unavailable` says why. `metric_weights`: sha256 by metric. `command`: makes this
    row again. `version`: of vtc. `picture`: a few frames as PNG, relative to the folder of results, or "".
    """

    dataset: str
    protocol: str
    clip: str
    source: str
    codec: str
    preset: str
    keyframes: str
    point: str
    value: float
    settings: dict[str, str] = field(default_factory=dict)
    bundle: str = ""
    status: str = DONE
    reason: str = ""
    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bytes: int = 0
    container_bytes: int = 0
    bpp: float = 0.0
    tokens: int | None = None
    streams: dict[str, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    peak_mib: float | None = None
    metrics: dict[str, float | None] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)
    metric_weights: dict[str, str] = field(default_factory=dict)
    command: str = ""
    version: str = ""
    picture: str = ""

    @property
    def key(self) -> str:
        """16 hex digits of what was coded and how: rows of one key are the same measurement, and the last of them counts."""
        return _hash({name: getattr(self, name) for name in _IDENTITY})

    @property
    def source_picture(self) -> str:
        """Where the picture of the source lies that `picture` is to be held against: the same frames, the same for all codecs."""
        named = {name: getattr(self, name) for name in ("dataset", "protocol", "clip", "source")}
        return f"pictures/source-{_hash(named)}.png" if self.picture else ""

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> Row:
        """From a line of `to_json`. Raises `FormatError`; names that are not known are passed over."""
        try:
            values: dict[str, Any] = json.loads(line)
            known = {each.name for each in fields(cls)}
            return cls(**{name: value for name, value in values.items() if name in known})
        except (ValueError, TypeError, AttributeError) as problem:
            raise FormatError(f"not a row of results: {line[:60]!r}", "remove that line of results.jsonl") from problem


def _hash(named: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:16]


def read_rows(path: Path) -> list[Row]:
    """The rows of a results.jsonl, the last of every key, in an order that does not depend on who finished first. A line that was torn
    off at the end, as a kill leaves it, is passed over. Raises `FormatError` for any other line that is no row."""
    if not path.is_file():
        return []
    whole, _, _ = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
    return latest(Row.from_json(line) for line in whole.splitlines() if line.strip())


def latest(rows: Iterable[Row]) -> list[Row]:
    """The last row of every key, by dataset, protocol, clip, codec, preset, key frames and value."""
    kept = {row.key: row for row in rows}
    return sorted(
        kept.values(),
        key=lambda row: (row.dataset, row.protocol, row.clip, row.codec, row.preset, row.keyframes, row.value, row.key),
    )
