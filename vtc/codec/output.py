"""Where an encode writes: refused early where it cannot, and there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from vtc.errors import OutputError
from vtc.media.output import StagedFile, explained


def refuse_existing(path: str | Path, overwrite: bool) -> None:
    """OutputError when `path` exists and may not be overwritten, or when there is no folder for it. `-` is always fine."""
    if str(path) == "-":
        return
    target = Path(path)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already", "-y overwrites it; from Python, overwrite=True")
    if not target.absolute().parent.is_dir():
        raise OutputError(f"cannot write {target}: its folder does not exist", "make the folder first")


@contextmanager
def staged(path: str | Path, overwrite: bool) -> Iterator[BinaryIO]:
    """A file that becomes `path` when the block ends well; after an error or an interrupt nothing is left. `-` is standard output."""
    refuse_existing(path, overwrite)
    output = StagedFile(path)
    try:
        try:
            yield output.file
        except OutputError as problem:
            if isinstance(problem.__cause__, OSError):
                with explained(output.name):
                    raise problem.__cause__ from None
            raise
        output.commit()
    except BaseException:
        output.discard()
        raise
