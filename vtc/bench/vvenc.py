"""H.266 as an anchor, by VVenC: the program vvencapp on PATH, else an ffmpeg there that was built with libvvenc. FFmpeg's own decoder
decodes it.

Either is given 4:2:0 of 8 bits by the same conversion as the other anchors, and one thread. VVenC works with 10 bits inside, as it does by
default. Its perceptual quantisation, which changes the QP from block to block for the eye and costs PSNR, is off.
"""

import resource
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from vtc.bench.anchors import CONVERSION, decoded
from vtc.bench.coder import DEFAULT, Coded, Point, Sweep, spaced, stopwatch, stored
from vtc.bench.prepare import Prepared
from vtc.errors import MediaError
from vtc.media.anchor import libraries
from vtc.media.payload import payload_bytes
from vtc.media.planes import ToPlanes

PROGRAMS = ("vvencapp", "ffmpeg")
"""In this order."""

LADDER = (22, 42)
PRESETS = {"fast": "faster", "medium": "medium", "slow": "slower"}


@dataclass(frozen=True)
class Vvenc:
    """VVenC at constant QP."""

    codec: str = "vvenc"
    bundle: str = ""

    def missing(self) -> str:
        return "" if find_program() else "neither vvencapp nor an ffmpeg with libvvenc is on PATH"

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
        size, rate = f"{clip.width}x{clip.height}", f"{clip.rate.numerator}/{clip.rate.denominator}"
        words = command(point.preset, point.keyframes, int(point.value), str(planes), size, rate, str(target))
        with stopwatch(_children) as encode_seconds:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        if done.returncode or not target.is_file():
            said = " ".join((done.stderr or done.stdout).split())[-200:]
            raise MediaError(f"{Path(words[0]).name} failed with status {done.returncode}: {said}")
        with stopwatch() as decode_seconds:
            pictures = stored(decoded(target), clip, folder)
        return Coded(payload_bytes(target), target.stat().st_size, encode_seconds(), decode_seconds(), pictures)

    def _point(self, preset: str, keyframes: str, qp: int) -> Point:
        words = command(preset, keyframes, qp, "source.yuv", "WxH", "RATE", "coded.266")
        distance = {} if keyframes == DEFAULT else {"intraperiod": keyframes}
        told = {"encoder": version(words[0]), "libraries": libraries(), "pixels": "yuv420p", "conversion": CONVERSION}
        shown = " ".join([Path(words[0]).name, *words[1:]])
        return Point(preset, keyframes, f"qp{qp}", qp, options(preset, qp) | distance | told, shown)


def options(preset: str, qp: int) -> dict[str, str]:
    """What VVenC is told, but for the distance of key frames."""
    return {"preset": preset, "qp": str(qp), "qpa": "0", "threads": "1"}


def command(preset: str, keyframes: str, qp: int, source: str, size: str, rate: str, target: str) -> list[str]:
    """What is typed to code the planes `source`, of `size` (WxH) and `rate` (N/D), with the program that is there."""
    program = find_program() or PROGRAMS[0]
    usual = keyframes == DEFAULT
    if is_ffmpeg(program):
        told = [word for name, value in options(preset, qp).items() for word in (f"-{name}", value)]
        # Its own option -g does not reach VVenC.
        told += [] if usual else ["-vvenc-params", f"intraperiod={keyframes}"]
        raw = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", size, "-r", rate, "-i", source]
        return [program, "-v", "error", *raw, "-c:v", "libvvenc", *told, "-f", "vvc", target]
    told = [word for name, value in options(preset, qp).items() for word in (f"--{name}", value)]
    told += [] if usual else ["--intraperiod", keyframes]
    return [program, "-i", source, "-s", size, "--fps", rate, "-c", "yuv420", *told, "-o", target]


def find_program() -> str:
    """The path of the first of PROGRAMS that is on PATH and codes H.266, or ""."""
    found = filter(None, map(shutil.which, PROGRAMS))
    return next((path for path in found if not is_ffmpeg(path) or "libvvenc" in said(path, "-hide_banner", "-encoders")), "")


def is_ffmpeg(program: str) -> bool:
    """Whether a program is FFmpeg's, which has options of its own."""
    return Path(program).stem == "ffmpeg"


def version(program: str) -> str:
    """What a program says of itself in its first line, "" where there is none."""
    if not shutil.which(program):
        return ""
    if is_ffmpeg(program):
        return f"libvvenc of {said(program, '-version').partition(' Copyright')[0]}"
    return said(program, "--version").partition("\n")[0].strip()


@lru_cache(maxsize=8)
def said(*words: str) -> str:
    """What a program prints."""
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL)
    return done.stdout or done.stderr


def _children() -> float:
    """Seconds of the processor that ended children of this process took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
