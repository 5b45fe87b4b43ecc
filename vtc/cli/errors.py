"""From an exception to what a person reads on stderr and to an exit status.

0 done, 1 failed (one line with the reason, one with the next step), 2 wrong usage, 130 interrupted. A traceback is shown only with --debug.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from contextlib import suppress

from vtc.errors import UsageError, VtcError

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def report(error: BaseException, *, debug: bool) -> int:
    """Say on stderr what went wrong and return the exit status. With `debug` the traceback comes first."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        say("interrupted", "")
        return INTERRUPTED
    if closed_pipe(error):  # the reader of our output has seen enough
        silence_stdout()
        return FAILED
    say(*describe(error, debug=debug))
    return USAGE if isinstance(error, UsageError) else FAILED


def closed_pipe(error: BaseException | None) -> bool:
    """Whether an error began as a pipe that its reader closed."""
    met: list[BaseException] = []  # chains of exceptions may run in circles
    while error is not None and error not in met:
        if isinstance(error, BrokenPipeError):
            return True
        met.append(error)
        error = error.__cause__ or error.__context__
    return False


def describe(error: BaseException, *, debug: bool = False) -> tuple[str, str]:
    """`(reason, next step)` for any exception, each on one line."""
    if isinstance(error, VtcError):
        return error.message, error.hint
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}", OS_HINTS.get(error.errno or 0, "")
    if isinstance(error, MemoryError):
        return "not enough memory", "code at a smaller size (--size) or close other programs"
    if isinstance(error, RuntimeError) and "out of memory" in str(error):
        return "the device is out of memory", "code at a smaller size (--size) or use --device cpu"
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    hint = "" if debug else "this is a bug in vtc; run the same command with --debug and report what it prints"
    return f"unexpected {text}", hint


OS_HINTS = {
    errno.ENOSPC: "the disk is full: free some space or write to another folder",
    errno.EDQUOT: "the disk quota is used up: free some space or write to another folder",
    errno.EACCES: "check the permissions of the file and of its folder",
    errno.EROFS: "the file system is read-only: write to another folder",
    errno.ENOENT: "check the path",
    errno.EISDIR: "name a file, not a folder",
}


def say(reason: str, hint: str) -> None:
    """Two plain lines on stderr; never raises, stderr may be closed."""
    reason, hint = " ".join(reason.split()), " ".join(hint.split())
    lines = f"error: {reason}\n" + (f"  next: {hint}\n" if hint else "")
    with suppress(OSError, ValueError):
        sys.stderr.write(lines)
        sys.stderr.flush()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail as well."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
