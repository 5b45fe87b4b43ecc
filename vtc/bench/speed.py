"""`vtc bench --speed`: how fast bundles are, what starting costs, how much memory they take and where the time goes.

Every measurement is a command of vtc in a process of its own, on the rendered scene: over sizes from 128x128 to 1080p, and over lengths
at one size. Where the time goes is taken in one more run, in this process. What would take longer than PATIENCE, going by the
measurement before, is left out, and its row says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

from vtc import __version__
from vtc.bench.bundles import Bundle
from vtc.bench.log import Log
from vtc.bench.machine import machine
from vtc.bench.processes import Ran, vtc
from vtc.bench.row import DONE, FAILED
from vtc.bench.scenes import render
from vtc.bench.speed_row import DECODE, ENCODE, SpeedRow, read_speeds

SPEEDS = "speed.jsonl"
SIZES = ((128, 128), (256, 256), (320, 240), (640, 360), (1280, 720), (1920, 1080))
FRAMES = 48
LARGE, FRAMES_OF_LARGE = 1280 * 720, 32
"""Pictures of so many pixels take minutes, and two segments tell as much as three."""
LENGTHS = (192, 384, 768)
LENGTHS_AT = (128, 128)
SCENE = "rendered scene, H.264"
RUNS = 3
PATIENCE = 120.0
"""Seconds that one command may take. One that takes a twentieth of them is run once, others RUNS times."""

Progress = Callable[[SpeedRow], None]


@dataclass(frozen=True)
class Case:
    """A video of the scene."""

    width: int
    height: int
    frames: int

    @property
    def pixels(self) -> int:
        """Of all frames."""
        return self.width * self.height * self.frames


def cases(clip_frames: int) -> list[Case]:
    """The sizes, each with FRAMES frames (FRAMES_OF_LARGE where it is LARGE) or a clip of the bundle where that is longer, then the
    lengths; what is smaller comes first."""
    sizes = [
        Case(width, height, max(FRAMES_OF_LARGE if width * height >= LARGE else FRAMES, clip_frames)) for width, height in SIZES
    ]
    return [*sizes, *(Case(*LENGTHS_AT, length) for length in LENGTHS if length > max(FRAMES, clip_frames))]


def run_speed(
    bundles: Sequence[Bundle],
    out: Path,
    devices: Sequence[str] = ("cpu",),
    threads: int | None = None,
    chosen: Callable[[int], list[Case]] = cases,
    progress: Progress | None = None,
) -> list[SpeedRow]:
    """Measures what `out`/speed.jsonl does not have yet; gives all the rows that were asked for. `devices`: cpu, cuda; `threads` of the
    CPU, None for all; `chosen`: the videos, by the frames of a bundle's clip. Raises `UsageError` for a device that is not there."""
    from vtc.codec.model import usable_cores

    out.mkdir(parents=True, exist_ok=True)
    known = {row.key: row for row in read_speeds(out / SPEEDS) if row.status == DONE}
    scratch = out / "scratch-speed"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    found: list[SpeedRow] = []
    try:
        with Log(out / SPEEDS) as log:
            for bundle in bundles:
                for device in devices:
                    bench = _Bench(bundle, device, threads or usable_cores(), scratch, known)
                    for row in bench.rows(chosen(bundle.clip_frames)):
                        found.append(row)
                        if row.key not in known:
                            log.append(row.to_json())
                            if progress is not None:
                                progress(row)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return found


class _Bench:
    """A bundle on a device. `known`: rows that need not be measured again."""

    def __init__(
        self, bundle: Bundle, device: str, threads: int, scratch: Path, known: dict[tuple[str | int, ...], SpeedRow]
    ) -> None:
        self.bundle, self.device, self.threads, self.scratch, self.known = bundle, device, threads, scratch, known
        self.slowest = 0.0
        """Seconds a pixel of the slowest command so far."""

    def rows(self, chosen: list[Case]) -> Iterator[SpeedRow]:
        for case in chosen:
            blank = {verb: self._blank(case, verb) for verb in (ENCODE, DECODE)}
            if all(row.key in self.known for row in blank.values()):
                yield from (self.known[row.key] for row in blank.values())
                continue
            ahead = self.slowest * case.pixels
            if ahead > PATIENCE:
                reason = f"left out: it would take about {ahead:.0f} s"
                yield from (replace(row, status=FAILED, reason=reason) for row in blank.values())
                continue
            try:
                yield from self._measured(case, blank)
            except RuntimeError as problem:
                reason = " ".join(str(problem).split())[-300:]
                yield from (replace(row, status=FAILED, reason=reason) for row in blank.values())

    def _blank(self, case: Case, verb: str) -> SpeedRow:
        options = f"--device {self.device} --threads {self.threads}"
        commands = {
            ENCODE: f"vtc encode scene.mp4 -o scene.vtc --model {self.bundle.codec} {options}",
            DECODE: f"vtc decode scene.vtc -o decoded.mp4 {options}",
        }
        return SpeedRow(
            self.bundle.codec, verb, self._device_name(), self.threads, case.width, case.height, case.frames, SCENE,
            self.bundle.bundle, command=commands[verb], machine=machine(), version=__version__,
        )  # fmt: skip

    def _measured(self, case: Case, blank: dict[str, SpeedRow]) -> list[SpeedRow]:
        from vtc.bench.parts import decode_parts, encode_parts

        source, coded, target = (self.scratch / name for name in ("scene.mp4", "scene.vtc", "decoded.mp4"))
        render(source, case.width, case.height, case.frames)
        words = {
            ENCODE: ("encode", source, "-o", coded, "--model", self.bundle.path),
            DECODE: ("decode", coded, "-o", target),
        }
        rows = []
        for verb in (ENCODE, DECODE):
            done = self._ran(words[verb])
            self.slowest = max(self.slowest, min(ran.values["seconds"] for ran in done) / case.pixels)
            where = self.bundle.path, self.device, self.threads
            parted = encode_parts(source, coded, *where) if verb == ENCODE else decode_parts(coded, target, *where)
            rows.append(replace(
                blank[verb], runs=len(done), seconds=median(ran.values["seconds"] for ran in done),
                startup=median(ran.wall - ran.values["seconds"] for ran in done),
                peak_mib=parted.device_mib or max(ran.peak for ran in done), parts=parted.seconds,
            ))  # fmt: skip
        return rows

    def _ran(self, words: tuple[object, ...]) -> list[Ran]:
        done: list[Ran] = []
        while len(done) < RUNS and (not done or done[0].wall < PATIENCE / 10):
            options = ("--device", self.device, "--threads", self.threads, "--json", "-y")
            done.append(vtc(*words, *options, weights=self.bundle.path.parent))
        return done

    def _device_name(self) -> str:
        """"cpu", or what the GPU calls itself."""
        from vtc.codec.model import pick_device

        device = pick_device(self.device)
        if device.type == "cpu":
            return "cpu"
        import torch

        return str(torch.cuda.get_device_name(device))


def all_devices() -> list[str]:
    """What there is here: the CPU, and CUDA."""
    import torch

    return ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
