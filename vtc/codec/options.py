"""What a user may ask of an encode and of a decode. The names are those of the command line."""

import math
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from vtc.errors import UsageError

Size = tuple[int, int] | int

ENTROPY = ("auto", "packed", "static", "context")
AUDIO = ("copy", "none")
ON_DAMAGE = ("fail", "skip", "freeze")
DECODERS = ("diffusion", "coordinate")

CUTTING = {"length", "tokens", "device", "threads"}
"""Options that make sense for a video that is coded already."""


@dataclass(frozen=True)
class EncodeOptions:
    """`model`: bundle name or path. `quality` 0..100, or in its place one target that the best fitting quality is found for: `bpp`: at most
    so many bits per pixel, `max_bytes`: at most so large a file, `min_psnr`: at least so many dB. `length`: factor on
    the motion rule's kept length, or `tokens`: a fixed one. `group`: segments that may lean on the one before (None: about five seconds).
    `effort`: 0 as fast as it goes, up to 4: the smallest file for what it shows.
    `start`, `end` in seconds. `size`: code at (width, height) or with this short side. `device`: auto, cpu, cuda or cuda:N.
    `threads`: of the CPU (None: all)."""

    model: str = "onedva"
    quality: int = 50
    bpp: float | None = None
    max_bytes: int | None = None
    min_psnr: float | None = None
    length: float = 1.0
    tokens: int | None = None
    group: int | None = None
    effort: int = 0
    entropy: str = "auto"
    start: float | None = None
    end: float | None = None
    size: Size | None = None
    fps: float | Fraction | None = None
    audio: str = "copy"
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        _in_range("quality", self.quality, 0, 100)
        self._check_target()
        if self.length < 0 or not math.isfinite(self.length):
            raise UsageError(f"--length {self.length}: a factor of 0 or more is wanted", "1 is the motion rule as trained")
        if self.tokens is not None:
            _in_range("tokens", self.tokens, 0, 65535)
            if self.length != 1.0:
                raise UsageError("--tokens and --length contradict each other", "give one of them")
        if self.group is not None:
            _in_range("group", self.group, 1, 65535)
        _in_range("effort", self.effort, 0, 4)
        _one_of("entropy", self.entropy, ENTROPY)
        _one_of("audio", self.audio, AUDIO)
        _range("start", self.start, "end", self.end)
        _size(self.size)
        _positive("fps", self.fps)
        _machine(self.device, self.threads)


    def _check_target(self) -> None:
        _positive("bpp", self.bpp)
        _positive("min-psnr", self.min_psnr)
        if self.max_bytes is not None:
            _in_range("max-bytes", self.max_bytes, 1, 2**63 - 1)
        targets = {"--bpp": self.bpp, "--max-bytes": self.max_bytes, "--min-psnr": self.min_psnr}
        given = [option for option, value in targets.items() if value is not None]
        if given and self.quality != 50:
            given.append("--quality")
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} contradict each other", "give one of them")


@dataclass(frozen=True)
class DecodeOptions:
    """`decoder`: diffusion or coordinate (None: the bundle's default). `steps` of the diffusion decoder, `seed` of its noise; `start`,
    `end` in seconds from the first frame. `crop` (x, y, width, height) in pixels of the source; `size` (width, height) or short side, or
    `scale`, of what is left; `fps`. A coordinate decoder paints just what these ask for, at any time and as fine as asked; after a
    diffusion decoder pictures are resampled, and frames repeated or left out.
    `on_damage`: fail, skip (leave damaged segments out) or freeze (hold the last good frame). `codec` and `crf` of the written video."""

    decoder: str | None = None
    steps: int = 1
    seed: int = 0
    start: float | None = None
    end: float | None = None
    size: Size | None = None
    scale: float | None = None
    fps: float | Fraction | None = None
    crop: tuple[int, int, int, int] | None = None
    on_damage: str = "fail"
    codec: str | None = None
    crf: int = 12
    audio: str = "copy"
    device: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.decoder is not None:
            _one_of("decoder", self.decoder, DECODERS)
        _in_range("steps", self.steps, 1, 1000)
        _in_range("seed", self.seed, 0, 2**63 - 1)
        _range("start", self.start, "end", self.end)
        _size(self.size)
        _positive("scale", self.scale)
        if self.size is not None and self.scale is not None:
            raise UsageError("--size and --scale contradict each other", "give one of them")
        _positive("fps", self.fps)
        if self.crop is not None and (len(self.crop) != 4 or min(self.crop[:2]) < 0 or min(self.crop[2:]) < 1):
            raise UsageError(f"--crop {','.join(map(str, self.crop))}: not a rectangle", "it is X,Y,WIDTH,HEIGHT in pixels")
        _one_of("on-damage", self.on_damage, ON_DAMAGE)
        _in_range("crf", self.crf, 0, 63)
        _one_of("audio", self.audio, AUDIO)
        _machine(self.device, self.threads)


Options = TypeVar("Options", EncodeOptions, DecodeOptions)


def changed(options: Options, changes: dict[str, Any]) -> Options:
    """`options` with some of them changed by name; UsageError for a name that is none."""
    known = {field.name for field in fields(options)}
    for name in changes:
        if name not in known:
            raise UsageError(f"there is no option {name!r}", f"the options are {', '.join(sorted(known))}")
    return replace(options, **changes)


def check_cut(source: str | Path, options: EncodeOptions) -> None:
    """UsageError where more, or less, is asked of the `.vtc` file `source` than to cut its 1D latents."""
    usual, name = EncodeOptions(), "standard input" if str(source) == "-" else str(source)
    given = [field.name for field in fields(options) if getattr(options, field.name) != getattr(usual, field.name)]
    others = " and ".join(f"--{option.replace('_', '-')}" for option in given if option not in CUTTING)
    instead = "`vtc decode` makes a video of it, which can be encoded with any option"
    if others:
        raise UsageError(f"{name} is a .vtc file: --length or --tokens can cut it, {others} cannot be applied", instead)
    if not {"length", "tokens"} & set(given):
        raise UsageError(f"{name} is a .vtc file already; --length or --tokens would cut its 1D latents", instead)
    if options.length > 1:
        raise UsageError(f"--length {options.length:g}: the 1D latents of a .vtc file can only be cut", "give less than 1")


def _in_range(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"--{name} {value}: a whole number from {least} to {most} is wanted")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"--{name} {value}: not known", f"one of {', '.join(known)}")


def _positive(name: str, value: float | Fraction | None) -> None:
    if value is not None and not (math.isfinite(value) and value > 0):
        raise UsageError(f"--{name} {value}: a number above 0 is wanted")


def _range(start_name: str, start: float | None, end_name: str, end: float | None) -> None:
    for name, value in ((start_name, start), (end_name, end)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"--{name} {value}: seconds, 0 or more, are wanted")
    if start is not None and end is not None and end <= start:
        raise UsageError(f"--{end_name} {end} is not after --{start_name} {start}")


def _size(size: Size | None) -> None:
    sides = () if size is None else (size,) if isinstance(size, int) else size
    if any(side < 1 or side > 65535 for side in sides):
        raise UsageError(f"--size {size}: sides from 1 to 65535 are wanted", "WxH, or the short side alone")


def _machine(device: str, threads: int | None) -> None:
    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdecimal())):
        raise UsageError(f"--device {device}: not known", "auto, cpu, cuda or cuda:N")
    if threads is not None:
        _in_range("threads", threads, 1, 1024)
