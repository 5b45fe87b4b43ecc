"""The error tree. Every error a user can cause or meet is a `VtcError`; the command line prints it as one line.

A message says what is wrong and where; `hint` says what to do next.
"""


class VtcError(Exception):
    """Base of all errors that are for people. `hint` is the next step, or empty."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(VtcError):
    """Options that contradict each other or lie out of range (exit status 2)."""


class MediaError(VtcError):
    """A video or sound file that cannot be read or written."""


class FormatError(VtcError):
    """Not a `.vtc` file, or one of a version that this program does not know."""


class DamageError(VtcError):
    """A `.vtc` file whose bytes are not the ones that were written. `segment` is its number, or None for the frame around it."""

    def __init__(self, message: str, hint: str = "", segment: int | None = None) -> None:
        super().__init__(message, hint)
        self.segment = segment


class BundleError(VtcError):
    """A bundle that is missing, unreadable or not the one that a file was made with."""


class OutputError(VtcError):
    """An output that exists already, or cannot be written."""


class TargetError(VtcError):
    """A target of size or fidelity that no quality meets."""


class TrainingError(VtcError):
    """A training run that cannot start or go on."""


class Unavailable(VtcError):
    """A metric that cannot be computed here; the message says what it needs."""
