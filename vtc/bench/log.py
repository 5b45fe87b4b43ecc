"""A file of lines that only ever grows: what is in it is on the disk."""

from __future__ import annotations

import os
from pathlib import Path


class Log:
    """Adds lines to a file, which is made where it is missing. A line that a kill has torn off at the end is removed first."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab+")
        self._file.seek(0)
        whole = self._file.read().rfind(b"\n") + 1
        self._file.truncate(whole)
        self._file.seek(whole)

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def append(self, line: str) -> None:
        """The line, without a line feed in it, is on the disk when this returns."""
        self._file.write(line.encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
