"""What a run says while it goes on. The command line draws it; a library user may listen as well."""

from typing import Any


class Reporter:
    """Hears of a run's progress; this one keeps silent, subclasses show what they like."""

    def caching(self, done: int, total: int) -> None:
        """`done` of `total` videos are in the cache."""

    def progress(self, position: float, line: dict[str, Any]) -> None:
        """A line was logged at `position` in [0, 1] of the schedule."""

    def say(self, text: str) -> None:
        """A remark for people."""

    def warn(self, text: str) -> None:
        """Something was left out; the run goes on."""
