"""Rows of codecs that do not exist, for tests of tables and plots."""

import math
from collections.abc import Iterable
from dataclasses import replace

from vtc.bench.row import FAILED, Row

CODECS = {"x264": 1.0, "x265": 0.8, "svtav1": 0.6, "vp9": 0.9, "onedva-toy": 1.2}
"""Bytes for the same quality, x264 being 1."""

CLIPS = {"calm.mp4": 0.4, "middle.mp4": 1.0, "wild.mp4": 2.5}
"""bpp of a clip at 30 dB by x264."""

STEPS = (0, 1, 2, 3, 4)


def made_up(
    codecs: dict[str, float] = CODECS,
    clips: dict[str, float] = CLIPS,
    steps: Iterable[int] = STEPS,
    keyframes: str = "default",
    presets: Iterable[str] = ("medium",),
    variant: str = "",
) -> list[Row]:
    """A row of each: at step n a codec has 24 + 3 n dB, for 1.8^n of its bytes. Slow presets take longer and fewer bytes."""
    return [
        row_of(codec, factor, clip, busy, step, keyframes, preset, variant)
        for codec, factor in codecs.items()
        for clip, busy in clips.items()
        for step in steps
        for preset in (presets if codec != "onedva-toy" else ["-"])
    ]


def row_of(codec: str, factor: float, clip: str, busy: float, step: int, keyframes: str, preset: str, variant: str) -> Row:
    ours = codec.startswith("onedva")
    share, slow = {"fast": (1.2, 0.2), "slow": (0.9, 8.0)}.get(preset, (1.0, 1.0))
    pixels = 32 * 128 * 128
    size = round(pixels / 8 * 0.02 * busy * factor * share * 1.8**step)
    psnr = 24 + 3 * step + math.log(busy) / 10
    knob = ("quality", f"q{10 * step}", 10.0 * step) if ours else ("crf", f"crf{43 - 5 * step}", 43.0 - 5 * step)
    return Row(
        dataset="made up", protocol="128, 32 frames", clip=clip, source=f"{len(clip):064}", codec=codec, preset=preset,
        keyframes=keyframes, point=f"{knob[1]} {variant}".strip(), value=knob[2], settings={knob[0]: f"{knob[2]:g}", "threads": "1"},
        bundle="ab" * 32 if ours else "", frames=32, width=128, height=128, fps=25.0, bytes=size, container_bytes=size + 700,
        bpp=8 * size / pixels, tokens=512 if ours else None, streams={"structural": size * 3 // 4, "query": size // 4} if ours else {},
        lengths=[64, 32] if ours else [], encode_seconds=0.5 * slow, decode_seconds=0.1, peak_mib=300.0,
        metrics={"psnr": psnr, "psnr_clip": psnr - 0.2, "ssim": 1 - 0.2 / (step + 1), "feature": 0.3 / (step + 1), "lpips": None},
        unavailable={"lpips": "needs torchvision's AlexNet"}, command=f"code {clip}", version="0",
    )  # fmt: skip


def failed(row: Row) -> Row:
    """The same, had it failed."""
    bare = Row(row.dataset, row.protocol, row.clip, row.source, row.codec, row.preset, row.keyframes, row.point, row.value)
    return replace(bare, settings=row.settings, bundle=row.bundle, status=FAILED, reason="it broke")
