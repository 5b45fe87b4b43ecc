"""All metrics that were asked for between two videos, in one pass over their frames.

    metrics = open_metrics(["psnr", "ssim", "lpips"], "metric-weights")   # once: loads the networks
    found = metrics.measure(source_frames, decoded_frames, fps=25)        # for every clip

What cannot be computed is named with the reason and never replaced by something else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vtc.bench.catalogue import METRICS, asked_metrics
from vtc.bench.metrics import Meter, Picture, multiscale_similarity, pairs, ssim_missing
from vtc.bench.vmaf import Vmaf, find_program
from vtc.bench.weights import file_hash
from vtc.bench.yuv import PsnrYuv, XpsnrYuv
from vtc.errors import MediaError, Unavailable
from vtc.media.planes import has_xpsnr

if TYPE_CHECKING:
    from torch import Tensor

    from vtc.bench.fvd import I3D

FVD_FRAMES = 16
"""Of each clip, from its start: what the field's FVD is taken of, where a protocol does not say another number."""


class Family(Protocol):
    """A metric of one clip, taken pair by pair of its frames."""

    def add(self, first: Picture, second: Picture) -> None:
        """Take the next frames, uint8 [H, W, 3] in RGB. Raises `Unavailable` for frames that have no such metric."""

    def result(self) -> float:
        """The metric of all frames so far. Raises `Unavailable`."""


Start = Callable[[float], Family]
"""Begins a metric for a new clip that is shown at so many frames a second."""

Opened = tuple[Start, tuple[Path, ...]]
"""A metric that is ready, and the files of weights behind it."""

Folder = str | Path | None


class Mean:
    """The mean over frames of a distance between two pictures."""

    def __init__(self, distance: Callable[[Picture, Picture], float]) -> None:
        self._distance = distance
        self._sum, self._count = 0.0, 0

    def add(self, first: Picture, second: Picture) -> None:
        try:
            self._sum += self._distance(first, second)
        except MediaError as problem:  # the pictures are of one size; they are too small for this metric
            raise Unavailable(str(problem)) from problem
        self._count += 1

    def result(self) -> float:
        return self._sum / self._count


@dataclass(frozen=True)
class Measured:
    """What was found between two videos.

    values: the metrics asked for, by name; None where one is unavailable, and then `unavailable` has its reason.
    i3d: float32 [2, 400], what FVD is made of: logits of the first and of the second video. None where FVD is unavailable or not
    asked for.
    """

    frames: int
    width: int
    height: int
    values: dict[str, float | None]
    unavailable: dict[str, str] = field(default_factory=dict)
    i3d: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Metrics:
    """The metrics that were asked for, with their networks loaded; `open_metrics` makes it.

    asked: names. unavailable: reasons, by name. hashes: sha256 of the weights in use, by name; several files by a comma. starts: begins
    a metric for a new clip that is shown at so many frames a second. i3d: the network of FVD, which takes `fvd_frames` of each clip.
    """

    asked: frozenset[str]
    unavailable: dict[str, str]
    hashes: dict[str, str]
    starts: dict[str, Start]
    i3d: I3D | None = None
    fvd_frames: int = FVD_FRAMES

    def measure(self, first: Iterable[Picture], second: Iterable[Picture], fps: float = 25.0) -> Measured:
        """The metrics between two videos of frames uint8 [H, W, 3] in RGB, the source first, shown at `fps` frames a second.

        Raises `MediaError` where they differ in size or length, or are empty.
        """
        meter = Meter(ssim="ssim" in self.asked)
        families = {name: start(fps) for name, start in self.starts.items()}
        unavailable = dict(self.unavailable)
        start: list[tuple[Tensor, Tensor]] = []
        for a, b in pairs(first, second):
            meter.add(a, b)
            if self.i3d and len(start) < self.fvd_frames:
                start.append((self.i3d.scaled(a), self.i3d.scaled(b)))
            for name, family in list(families.items()):
                try:
                    family.add(a, b)
                except Unavailable as problem:
                    unavailable[name] = str(problem)
                    del families[name]
        found = meter.result()
        values: dict[str, float | None] = {"psnr": found.psnr, "psnr_clip": found.psnr_clip, "ssim": found.ssim}
        if "ssim" in self.asked and found.ssim is None:
            unavailable["ssim"] = found.ssim_reason
        for name, family in families.items():
            try:
                values[name] = family.result()
            except Unavailable as problem:
                unavailable[name] = str(problem)
        i3d = None
        if self.i3d and len(start) < self.fvd_frames:
            unavailable["fvd"] = f"the clip has {found.frames} frames; FVD is taken of {self.fvd_frames}"
        elif self.i3d:
            try:
                i3d = np.stack([self.i3d.logits(frames) for frames in zip(*start)])
            except MediaError as problem:  # fewer frames than the network can take
                unavailable["fvd"] = str(problem)
        names = [name for name in METRICS if name in self.asked]
        return Measured(found.frames, found.width, found.height, {name: values.get(name) for name in names}, unavailable, i3d)


def open_metrics(
    names: Iterable[str], weights: Folder = None, *, device: str = "cpu", fvd_frames: int = FVD_FRAMES
) -> Metrics:
    """The metrics of these names (see `asked_metrics`), with weights from the folder `weights`, else from VTC_METRIC_WEIGHTS.

    What is missing is listed in `Metrics.unavailable`. `device`: where the networks run. `fvd_frames`: the frames of each clip, from
    its start, that FVD is taken of. Raises `UsageError` on an unknown name, `BundleError` on weights that are there and damaged.
    """
    asked = asked_metrics(names)
    starts: dict[str, Start] = {}
    unavailable: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for name, opener in _OPENERS.items():
        if name in asked:
            try:
                starts[name], files = opener(weights, device)
            except Unavailable as problem:
                unavailable[name] = str(problem)
            else:
                hashes |= {name: ",".join(map(file_hash, files))} if files else {}
    i3d = None
    if "fvd" in asked:
        from vtc.bench import fvd

        try:
            i3d, hashes["fvd"] = fvd.I3D.load(weights, device), file_hash(fvd.find_file(weights))
        except Unavailable as problem:
            unavailable["fvd"] = str(problem)
    return Metrics(asked, unavailable, hashes, starts, i3d, fvd_frames)


def _psnr_yuv(weights: Folder, device: str) -> Opened:
    return lambda fps: PsnrYuv(), ()


def _ms_ssim(weights: Folder, device: str) -> Opened:
    if reason := ssim_missing():
        raise Unavailable(f"needs {reason}")
    return lambda fps: Mean(multiscale_similarity), ()


def _xpsnr(weights: Folder, device: str) -> Opened:
    if not has_xpsnr():
        raise Unavailable("needs PyAV with FFmpeg 7.1 or newer, which has the filter xpsnr", "pip install -U av")
    return XpsnrYuv, ()


def _lpips(weights: Folder, device: str, net: str = "alex") -> Opened:
    from vtc.bench import lpips

    distance = lpips.Lpips.load(net, weights, device)
    return lambda fps: Mean(distance), lpips.find_files(net, weights)


def _lpips_vgg(weights: Folder, device: str) -> Opened:
    return _lpips(weights, device, "vgg")


def _vmaf(weights: Folder, device: str) -> Opened:
    program = find_program()
    return lambda fps: Vmaf(program, fps), ()


def _feature(weights: Folder, device: str) -> Opened:
    from vtc.bench.features import FeatureNet, find_file

    net = FeatureNet.load(weights, device)
    return lambda fps: Mean(lambda a, b: float(net.distance(a[None], b[None])[0])), (find_file(weights),)


_OPENERS: dict[str, Callable[[Folder, str], Opened]] = {
    "psnr_yuv": _psnr_yuv, "ms_ssim": _ms_ssim, "xpsnr": _xpsnr, "lpips": _lpips, "lpips_vgg": _lpips_vgg, "vmaf": _vmaf,
    "feature": _feature,
}  # fmt: skip
"""Of the metrics that `Meter` does not have: each loads what it needs, and raises `Unavailable` where that is missing."""
