"""Two videos beside each other: as a film, or as one picture of a few moments."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from vtc.media import SinkInfo, SourceInfo, VideoSink, open_sink
from vtc.media.picture import Picture, below, beside, save_png


class Album:
    """One PNG of up to `rows` moments at even distances: first video left, second right. Holds a few pictures, however long the video."""

    def __init__(self, path: str | Path, rows: int = 3) -> None:
        self._path, self._rows = Path(path), rows
        self._kept: list[Picture] = []
        self._count, self._stride = 0, 1

    def add(self, first: Picture, second: Picture, pts: int, duration: int) -> None:
        """Take the next two pictures, uint8 [H, W, 3]."""
        if self._count % self._stride == 0:
            self._kept.append(beside(first, second))
            if len(self._kept) > 8 * self._rows:  # too many: every second one stays
                self._kept, self._stride = self._kept[::2], 2 * self._stride
        self._count += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._kept:
            save_png(self._path, below(self._chosen()))

    def _chosen(self) -> list[Picture]:
        rows = min(self._rows, len(self._kept))
        # The middles of equal parts: neither a fade-in nor the very end.
        return [self._kept[(2 * row + 1) * len(self._kept) // (2 * rows)] for row in range(rows)]


class Film:
    """A video: first left, second right, with the timestamps of the first."""

    def __init__(self, path: str | Path, info: SourceInfo) -> None:
        self._path, self._info = path, info
        self._sink: VideoSink | None = None

    def add(self, first: Picture, second: Picture, pts: int, duration: int) -> None:
        """Take the next two pictures, uint8 [H, W, 3]; `pts` and `duration` in the time base of the source."""
        both = beside(first, second)
        if self._sink is None:
            height, width = both.shape[:2]
            rate, sar = self._info.frame_rate, self._info.sar
            self._sink = open_sink(self._path, SinkInfo(width, height, self._info.time_base, rate, sar=sar))
        self._sink.write(both, pts, duration)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._sink is not None:
            self._sink.__exit__(kind, error, trace)
