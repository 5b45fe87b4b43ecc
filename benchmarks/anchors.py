"""x264 and x265 as `vtc bench` runs them, beside the ffmpeg program with the command that a row of results names.

    python -m benchmarks.anchors --data eval

The program is that of the package imageio-ffmpeg where it is installed (the extra `dev` has it), else `ffmpeg` on PATH.
"""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import typer

from benchmarks.common import RESULTS, Data, Out, Report, clips, label, psnr, scratch
from vtc.bench.anchors import ANCHORS, FROM_PLANES, Anchor
from vtc.bench.coder import Point, Sweep
from vtc.bench.prepare import Prepared, Protocol, prepare

PROTOCOL = """Three clips, evenly chosen, the first 48 frames, 128×128 at the top left, preset medium, crf 23, 33 and 43, key frames
by default and every 16 frames. Ours: PyAV, as `vtc bench` does it. Theirs: the ffmpeg program with the command of our row, its bytes
counted by its own filters (a bare stream less SEI units, parameter sets once), its pictures converted back by its own scaler. PSNR: RGB of
8 bits, mean over frames. Where all pictures are the same, the few bytes between
the two are how start codes and parameter sets are counted."""

CODECS = ("x264", "x265")
SIDE, FRAMES, CLIPS = 128, 48, 3
MOST_BYTES, MOST_DB = 0.01, 0.05
BARE = {"libx264": ("h264", "filter_units=remove_types=6"), "libx265": ("hevc", "filter_units=remove_types=39-40")}


def main(data: Data, out: Out = RESULTS) -> None:
    if (ffmpeg := program()) is None:
        raise SystemExit("there is no ffmpeg here: pip install imageio-ffmpeg, or put one on PATH")
    report = Report("anchors", "Anchors against the ffmpeg program", PROTOCOL)
    lines = []
    with scratch() as folder:
        for path in clips(data, CLIPS):
            clip = prepare(path, Protocol(SIDE, FRAMES, "top-left"), Path(folder, "clip.mp4"))
            for codec in CODECS:
                for point in ANCHORS[codec].points(Sweep(points=3, keyframes=("default", "16"))):
                    print(label(path), codec, point.keyframes, point.name, file=sys.stderr)
                    with scratch() as place:
                        found = beside(ANCHORS[codec], point, clip, ffmpeg, Path(place))
                    report.rows.append({
                        "clip": label(path), "codec": codec, "keyframes": point.keyframes, "point": point.name, "command": point.command,
                        **vars(found), "more_bytes": found.more_bytes,
                    })  # fmt: skip
                    lines.append([
                        label(path), codec, point.keyframes, point.name, found.bytes, found.their_bytes, f"{found.more_bytes:+.2%}",
                        f"{found.psnr:.3f}", f"{found.their_psnr:.3f}", "yes" if found.same_pictures else "no",
                    ])  # fmt: skip
    for codec in CODECS:
        rows = [row for row in report.rows if row["codec"] == codec]
        bytes_ = max(abs(row["more_bytes"]) for row in rows)
        decibels = max(abs(row["psnr"] - row["their_psnr"]) for row in rows)
        builds = f"{rows[0]['library']} here, {rows[0]['their_library']} there"
        report.claim(f"{codec}: bytes within {MOST_BYTES:.0%} of the program's", f"{bytes_:.2%} at most; {builds}", bytes_ <= MOST_BYTES)
        same = f"all pictures the same in {sum(row['same_pictures'] for row in rows)} of {len(rows)}"
        report.claim(f"{codec}: PSNR within {MOST_DB} dB of the program's", f"{decibels:.3f} dB at most; {same}", decibels <= MOST_DB)
    header = ["clip", "codec", "key frames", "point", "bytes", "theirs", "", "PSNR, dB", "theirs", "same pictures"]
    report.table(header, lines, "Ours and the program's")
    report.write(out)


def program() -> str | None:
    """Path of an ffmpeg program, or None."""
    if find_spec("imageio_ffmpeg") is not None:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    return shutil.which("ffmpeg")


@dataclass(frozen=True)
class Beside:
    """One clip coded here and by the program. `library`, `their_library`: what the encoder says it is, such as "x265 4.2"."""

    library: str
    their_library: str
    bytes: int
    their_bytes: int
    psnr: float
    their_psnr: float
    same_pictures: bool

    @property
    def more_bytes(self) -> float:
        return self.bytes / self.their_bytes - 1


def beside(anchor: Anchor, point: Point, clip: Prepared, ffmpeg: str, folder: Path) -> Beside:
    """Codes a clip twice, with files in the empty `folder`. Raises `CalledProcessError` where the program fails."""

    def run(*words: str | Path) -> bytes:
        return subprocess.run([ffmpeg, "-v", "error", "-y", *map(str, words)], check=True, capture_output=True).stdout

    ours = anchor.code(clip, point, folder)
    coded = folder / "theirs.mp4"
    first, *words, last = shlex.split(point.command)
    assert (first, last) == ("ffmpeg", "coded.mp4")
    run(*(str(clip.path) if word == "source.mp4" else word for word in words), coded)
    # Their bytes by their filter; a bare stream repeats its parameter sets, which count once.
    kind, strip = BARE[anchor.encoder]
    bare = folder / f"theirs.{kind}"
    run("-i", coded, "-c", "copy", "-bsf:v", f"{kind}_mp4toannexb,{strip}", "-f", kind, bare)
    sets = parameter_bytes(bare.read_bytes(), kind)
    decoded = np.frombuffer(run("-i", coded, "-vf", FROM_PLANES, "-f", "rawvideo", "-"), np.uint8).reshape(ours.pictures.shape)
    return Beside(
        library(folder / "coded.mp4"), library(coded), ours.bytes, bare.stat().st_size - sum(sets) + sets[0],
        psnr(clip.pictures(), ours.pictures)[0], psnr(clip.pictures(), decoded)[0], np.array_equal(ours.pictures, decoded),
    )  # fmt: skip


def library(path: Path) -> str:
    """What x264 and x265 write of themselves into a stream: "x264 165", "x265 4.2+1-e444744"."""
    found = re.search(rb"(x264) - core (\d+)|(x265) \(build \d+\) - ([^:\s]+)", path.read_bytes())
    assert found
    return b" ".join(part for part in found.groups() if part).decode()


def parameter_bytes(stream: bytes, kind: str) -> list[int]:
    """Bytes of the parameter sets before each key frame of a bare stream, with start codes of four bytes."""
    sizes, group = [], 0
    for unit in stream.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]:
        type_ = unit[0] & 31 if kind == "h264" else unit[0] >> 1 & 63
        if type_ in ((7, 8) if kind == "h264" else (32, 33, 34)):
            group += len(unit) + 4
        elif group:
            sizes.append(group)
            group = 0
    return sizes


if __name__ == "__main__":
    typer.run(main)
