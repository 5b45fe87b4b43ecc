"""Outputs that appear whole or not at all: written beside the target under another name, then renamed."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import av.error

from vtc.errors import OutputError


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turns the errors of writing `name` into `OutputError` with a next step."""
    try:
        yield
    except BrokenPipeError:
        raise OutputError(f"{name}: the reader of the pipe has closed it", "check the command after the pipe") from None
    except (OSError, av.error.FFmpegError) as error:
        code = getattr(error, "errno", None)
        if code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(f"{name}: the disk is full", "free some space or choose another disk") from None
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise OutputError(f"{name} may not be written", "check the permissions of its folder") from None
        if code == errno.ENOENT:
            raise OutputError(f"the folder of {name} does not exist", "create it first") from None
        text = getattr(error, "strerror", None) or str(error)
        raise OutputError(f"{name} cannot be written: {text}", "try another ending or codec") from None


class StagedFile:
    """A file that takes its name when it is complete. `file` is open for writing; `-` is standard output, where nothing is staged."""

    def __init__(self, path: str | Path) -> None:
        self.piped = str(path) == "-"
        self.name = "standard output" if self.piped else f"'{path}'"
        self._target = Path(path)
        self._part = self._target.with_name(f".{self._target.name}.{os.getpid()}.part")
        self.file: BinaryIO
        if self.piped:
            self.file = sys.stdout.buffer
            return
        with explained(self.name):
            if self._target.is_dir():
                raise OutputError(f"{self.name} is a folder", "give a file name")
            self.file = open(self._part, "w+b")  # noqa: SIM115 - closed by commit or discard

    def begin(self, head: bytes) -> None:
        """Writes the first bytes; leaves nothing behind where even these do not fit."""
        try:
            with explained(self.name):
                self.file.write(head)
                self.file.flush()
        except OutputError:
            self.discard()
            raise

    def commit(self) -> None:
        """Closes the file and gives it its name."""
        with explained(self.name):
            if self.piped:
                self.file.flush()
                return
            self.file.close()
            os.replace(self._part, self._target)

    def discard(self) -> None:
        """Leaves nothing behind. Harmless after `commit`."""
        if not self.piped:
            with suppress(OSError):
                self.file.close()
            self._part.unlink(missing_ok=True)


class StagedFolder:
    """A folder of numbered files that takes its name when it is complete; `part` is where to write meanwhile.

    An existing folder is replaced only if it is empty or holds nothing but numbered files of the same ending.
    """

    def __init__(self, path: str | Path, ending: str) -> None:
        self._target = Path(path)
        self.name = f"'{path}'"
        with explained(self.name):
            if self._target.exists() and not self._target.is_dir():
                raise OutputError(f"{self.name} is a file", "give a folder's name")
            foreign = self._target.is_dir() and [
                item.name for item in self._target.iterdir() if not (item.suffix == ending and item.stem.isdigit())
            ]
            if foreign:
                raise OutputError(
                    f"{self.name} holds other files, such as '{foreign[0]}'", "give a new or an empty folder"
                )
            self.part = self._target.with_name(f".{self._target.name}.{os.getpid()}.part")
            shutil.rmtree(self.part, ignore_errors=True)
            self.part.mkdir()

    def commit(self) -> None:
        """Gives the folder its name."""
        with explained(self.name):
            if self._target.is_dir():
                shutil.rmtree(self._target)
            os.replace(self.part, self._target)

    def discard(self) -> None:
        """Leaves nothing behind. Harmless after `commit`."""
        shutil.rmtree(self.part, ignore_errors=True)


class Door:
    """A file as FFmpeg is to see it: it remembers the first error of writing, and hides seeking where the file cannot."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._seeks = file.seekable()
        self.error: Exception | None = None
        self.closed = False
        """Set before closing a container to keep it from writing its end."""

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except Exception as error:
            self.error = self.error or error
            raise

    def seekable(self) -> bool:
        return self._seeks

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raises the error that FFmpeg may have swallowed."""
        if self.error is not None:
            raise self.error
