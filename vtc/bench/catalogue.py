"""The metrics by name: how they are written, which way is better, and what they are.

The names are the keys of `metrics` in a row of results. `ssim` asks for one of them; `psnr` asks for both of its averages.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from vtc.errors import UsageError


@dataclass(frozen=True)
class Metric:
    """One number of a clip. `higher` says whether more of it is better; `digits` behind the point is how it is printed."""

    name: str
    label: str
    unit: str
    higher: bool
    digits: int
    meaning: str


_ALL = (
    Metric("psnr", "PSNR", "dB", True, 2, "RGB of 8 bits, of each frame, mean over frames (an identical frame counts as 100 dB)"),
    Metric("psnr_clip", "PSNR of the clip", "dB", True, 2, "RGB of 8 bits, from the mean squared error of all frames of a clip"),
    Metric(
        "psnr_yuv", "PSNR-YUV", "dB", True, 2,
        "(6 Y + U + V) / 8 of the planes' PSNR, 4:2:0 of 8 bits and limited range (BT.601, from 720 lines on BT.709), mean over frames",
    ),
    Metric("ssim", "SSIM", "", True, 4, "Wang et al. 2004, Gaussian window of 11, σ 1.5, mean over R, G, B and frames (pytorch-msssim)"),
    Metric(
        "ms_ssim", "MS-SSIM", "", True, 4,
        "Wang et al. 2003, mean over R, G, B and frames; five scales, fewer for sides up to 160 (four at 128), weights scaled alike",
    ),
    Metric("xpsnr", "XPSNR", "dB", True, 2, "Helmrich et al. 2020 by FFmpeg's filter, planes as for PSNR-YUV, (6 Y + U + V) / 8"),
    Metric("lpips", "LPIPS (AlexNet)", "", False, 4, "Zhang et al. 2018, version 0.1, mean over frames"),
    Metric("lpips_vgg", "LPIPS (VGG-16)", "", False, 4, "as LPIPS, on the network that most tokenizer papers print"),
    Metric("vmaf", "VMAF", "", True, 1, "Netflix's VMAF, model vmaf_v0.6.1, mean over frames, by a program found on PATH"),
    Metric(
        "feature", "SqueezeNet feature distance", "", False, 4,
        "squared distance of SqueezeNet 1.0 features of unit length, mean over positions, nine layers and frames; not LPIPS",
    ),
)  # fmt: skip

METRICS = {metric.name: metric for metric in _ALL}
"""Numbers of a clip, in the order in which tables show them."""

FVD = Metric(
    "fvd", "FVD", "", False, 1,
    "Fréchet distance of I3D logits (Kinetics-400) between all clips and all decoded ones, of the protocol's frames, else the first 16",
)  # fmt: skip
"""A number of a set of clips; it stands in no row."""

PSNR_MSE = Metric("psnr_mse", "PSNR of the set", "dB", True, 2, "RGB of 8 bits, from the mean squared error of all clips")

AVERAGES = METRICS | {metric.name: metric for metric in (PSNR_MSE, FVD)}
"""Numbers of a point, which is a mean over clips, in the order in which tables show them."""


def asked_metrics(names: Iterable[str]) -> frozenset[str]:
    """The names of METRICS (and "fvd") that a user means: "-" may stand for "_", and "psnr" brings psnr_clip with it.

    Raises `UsageError` on a name that is not known.
    """
    asked = {name.strip().lower().replace("-", "_") for name in names}
    known = {*METRICS, FVD.name}
    if unknown := sorted(asked - known):
        raise UsageError(f"no metric is called {', '.join(unknown)}", f"there are {', '.join(sorted(known))}")
    return frozenset(asked | ({"psnr_clip"} if "psnr" in asked else set()))
