"""VMAF (Netflix) by a program on PATH: `vmaf`, else an `ffmpeg` that was built with libvmaf. The model is vmaf_v0.6.1."""

import json
import shutil
import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

from vtc.bench.metrics import Picture
from vtc.errors import Unavailable
from vtc.media.planes import ToPlanes

MODEL = "vmaf_v0.6.1"


def find_program() -> Path:
    """`vmaf`, else `ffmpeg` with libvmaf. Raises `Unavailable`."""
    if found := shutil.which("vmaf"):
        return Path(found)
    if found := shutil.which("ffmpeg"):
        filters = subprocess.run([found, "-hide_banner", "-filters"], capture_output=True, text=True, check=False).stdout
        if any(line.split()[1:2] == ["libvmaf"] for line in filters.splitlines()):
            return Path(found)
        raise Unavailable("needs vmaf on PATH, or an ffmpeg with libvmaf, which this one is not", "see github.com/Netflix/vmaf")
    raise Unavailable("needs vmaf on PATH, or an ffmpeg with libvmaf", "see github.com/Netflix/vmaf")


class Vmaf:
    """VMAF of a clip, mean over frames. Both videos are written to temporary files of raw 4:2:0, so memory stays small."""

    def __init__(self, program: Path, fps: float) -> None:
        self._program = program
        self._rate = Fraction(fps).limit_denominator(1001)
        self._folder = tempfile.TemporaryDirectory(prefix="vtc-vmaf-")
        self._paths = [Path(self._folder.name, name) for name in ("source.y4m", "decoded.y4m")]
        self._planes: ToPlanes | None = None

    def add(self, first: Picture, second: Picture) -> None:
        """Take the next frames, uint8 [H, W, 3] in RGB."""
        height, width = first.shape[:2]
        head = b"FRAME\n"
        if self._planes is None:
            self._planes = ToPlanes(width, height)
            rate = f"{self._rate.numerator}:{self._rate.denominator}"
            head = f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420mpeg2\n".encode() + head
        for path, picture in zip(self._paths, (first, second)):
            with path.open("ab") as file:
                file.write(head + b"".join(plane.tobytes() for plane in self._planes(picture)))

    def result(self) -> float:
        """Of all frames so far, usually 0 to 100; may be asked once. Raises `Unavailable` where the program fails."""
        with self._folder as folder:
            source, decoded = (str(path) for path in self._paths)
            log = str(Path(folder, "log.json"))
            if self._program.stem == "vmaf":
                command = ["-r", source, "-d", decoded, "--model", f"version={MODEL}", "--threads", "1", "--json", "-o", log]
            else:
                command = ["-v", "error", "-i", decoded, "-i", source, "-lavfi"]
                command += [f"libvmaf=model=version={MODEL}:n_threads=1:log_fmt=json:log_path={log}", "-f", "null", "-"]
            done = subprocess.run([str(self._program), *command], capture_output=True, text=True, errors="replace", check=False)
            try:
                return float(json.loads(Path(log).read_text(encoding="utf-8"))["pooled_metrics"]["vmaf"]["mean"])
            except (OSError, ValueError, KeyError, TypeError) as problem:
                said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
                raise Unavailable(f"{self._program.name} ended with {done.returncode} and said: {said}") from problem
