"""A folder of results belongs to one run at a time: two would delete each other's files on the way."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vtc.errors import OutputError

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """`with held(folder): ...`, where nobody else holds it; the folder is made where it is missing.

    The system lets go of the lock when the process ends, however it ends, so what is left of a killed run is in nobody's way. Raises
    `OutputError` where another process holds the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = f" (process {found})" if (found := file.read().strip()) else ""
            raise OutputError(
                f"another vtc bench{owner} is writing into {folder}", "wait until it has ended, or name another folder with --out"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
