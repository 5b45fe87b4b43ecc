"""What a measurement was made on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path


def machine() -> str:
    """Processor, cores and the libraries that the numbers depend on."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        cpu = next((line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line), cpu)
    busy = f"load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "load unknown"
    libraries = ", ".join(f"{library} {version(library)}" for library in ("torch", "av", "numpy", "constriction"))
    return f"{cpu}, {os.cpu_count()} cores, {busy}; Python {platform.python_version()}, {libraries}"
