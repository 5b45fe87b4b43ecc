"""H.266 as an anchor, where the program vvencapp of VVenC is on PATH; FFmpeg decodes it.

The program is given 4:2:0 of 8 bits by the same conversion as the other anchors, and one thread. Its perceptual quantisation, which changes
the QP from block to block for the eye and costs PSNR, is off.
"""

import resource
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vtc.bench.anchors import CONVERSION, decoded
from vtc.bench.coder import DEFAULT, Coded, Point, Sweep, spaced, stopwatch, stored
from vtc.bench.prepare import Prepared
from vtc.errors import MediaError
from vtc.media.anchor import libraries
from vtc.media.payload import payload_bytes
from vtc.media.planes import ToPlanes

PROGRAM = "vvencapp"
LADDER = (22, 42)
PRESETS = {"fast": "faster", "medium": "medium", "slow": "slower"}


@dataclass(frozen=True)
class Vvenc:
    """The program, at constant QP."""

    codec: str = "vvenc"
    bundle: str = ""

    def missing(self) -> str:
        return "" if shutil.which(PROGRAM) else f"{PROGRAM} is not on PATH"

    def points(self, sweep: Sweep) -> list[Point]:
        return [
            self._point(PRESETS[preset], keyframes, qp)
            for preset in sweep.presets
            for keyframes in sweep.keyframes
            for qp in spaced(LADDER, sweep.points)
        ]

    def code(self, clip: Prepared, point: Point, folder: Path) -> Coded:
        planes, target = folder / "source.yuv", folder / "coded.266"
        convert = ToPlanes(clip.width, clip.height)
        with planes.open("wb") as file:
            for picture in clip.pictures():
                file.writelines(plane.tobytes() for plane in convert(picture))
        geometry = ["-i", str(planes), "-s", f"{clip.width}x{clip.height}", "--fps", f"{clip.rate.numerator}/{clip.rate.denominator}"]
        words = [PROGRAM, *geometry, "-c", "yuv420", *_options(point.preset, point.keyframes, int(point.value)), "-o", str(target)]
        with stopwatch(_children) as encode_seconds:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace")
        if done.returncode or not target.is_file():
            said = " ".join((done.stderr or done.stdout).split())[-200:]
            raise MediaError(f"{PROGRAM} failed with status {done.returncode}: {said}")
        with stopwatch() as decode_seconds:
            pictures = stored(decoded(target), clip, folder)
        return Coded(payload_bytes(target), target.stat().st_size, encode_seconds(), decode_seconds(), pictures)

    def _point(self, preset: str, keyframes: str, qp: int) -> Point:
        options = _options(preset, keyframes, qp)
        settings = {name.lstrip("-"): value for name, value in zip(options[::2], options[1::2])}
        told = {"encoder": _version(), "libraries": libraries(), "pixels": "yuv420p", "conversion": CONVERSION}
        command = f"{PROGRAM} -i source.yuv {' '.join(options)} -o coded.266"
        return Point(preset, keyframes, f"qp{qp}", qp, settings | told, command)


def _options(preset: str, keyframes: str, qp: int) -> list[str]:
    distance = [] if keyframes == DEFAULT else ["--intraperiod", keyframes]
    return ["--preset", preset, "--qp", str(qp), "--qpa", "0", "--threads", "1", *distance]


def _version() -> str:
    """What the program says of itself in its first line."""
    if not shutil.which(PROGRAM):
        return PROGRAM
    done = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, errors="replace")
    return next(iter((done.stdout or done.stderr).splitlines()), PROGRAM).strip()


def _children() -> float:
    """Seconds of the processor that ended children of this process took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
