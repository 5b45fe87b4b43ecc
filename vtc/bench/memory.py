"""How much memory this process has held at most."""

import resource
import sys
from contextlib import suppress
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_RESET_PEAK = "5"


def reset_peak() -> None:
    """Forget the peak so far, where the system can (Linux); elsewhere `peak_mib` stays that of the whole life of the process."""
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK)


def peak_mib() -> float:
    """MiB resident at most since `reset_peak`, the interpreter and its libraries among them."""
    with suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
