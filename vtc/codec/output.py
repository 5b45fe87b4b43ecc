"""Outputs that appear whole or not at all: a temporary file beside the target, then a rename."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vtc.errors import OutputError


def refuse_existing(path: str | Path, overwrite: bool) -> None:
    """OutputError when `path` exists and may not be overwritten, or when its folder cannot take a new file."""
    if str(path) == "-":
        return
    target = Path(path)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists", "-y overwrites it")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: its folder does not exist", "make the folder first")


@contextmanager
def atomic(path: str | Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A binary file that becomes `path` when the block ends well; after an error or an interrupt nothing is left. `-` is stdout."""
    refuse_existing(path, overwrite)
    if str(path) == "-":
        with refusals("stdout"):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    with refusals(str(target)):
        file = part.open("xb")
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, target)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """What the system refuses while `name` is written, as an OutputError with a next step."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as problem:
        if problem.errno not in _HINTS:
            raise
        raise OutputError(f"cannot write {name}: {problem.strerror}", _HINTS[problem.errno]) from problem


_HINTS = {
    errno.ENOSPC: "free some space or write to another disk",
    errno.EDQUOT: "the quota is used up: write to another disk",
    errno.EFBIG: "the file system takes no file as large as this",
    errno.EACCES: "write to a folder that is yours",
    errno.EPERM: "write to a folder that is yours",
    errno.EROFS: "the disk is read-only: write to another one",
    errno.EISDIR: "it is a folder: name a file",
    errno.EIO: "the disk fails: write to another one",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "make the folder first",
    errno.EEXIST: "another run is writing it; if not, remove the .part file beside it",
    errno.ENAMETOOLONG: "choose a shorter name",
}
