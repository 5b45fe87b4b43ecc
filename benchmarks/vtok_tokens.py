"""VTok's tokens: their number, what each adds, and what a still picture costs.

    python -m benchmarks.vtok_tokens --data EVAL --model vtok-tiny
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from benchmarks.common import (
    RESULTS,
    Data,
    Limit,
    Model,
    Out,
    Report,
    Workers,
    clips,
    label,
    mean,
    parallel,
    psnr,
    scratch,
    square,
    write_lossless,
)

FRAMES = 64
STILL_FRAMES = 128
MOST = 1.1

PROTOCOL = f"""The first {FRAMES} frames of clips chosen evenly, short side scaled to 128, the top left 128×128,
written as RGB without loss, default quality, one decoding step. R: --tokens, the residual tokens of a group of later
frames; `rule`: the length rule of the bundle. PSNR: mean over frames, then clips; bytes of whole files.
Still: the middle frame of every clip, as a video of one frame and repeated {STILL_FRAMES} times, by the length rule;
with the bundle as it is, whose clips are shorter, and with the same weights on clips of {STILL_FRAMES} frames; bytes
without the container's own (headers, times, index), and of whole files."""


@dataclass(frozen=True)
class Job:
    path: Path
    model: str
    long: str


def main(data: Data, limit: Limit = 12, model: Model = "vtok", workers: Workers = 2, out: Out = RESULTS) -> None:
    """Measure every number of tokens on every clip."""
    report = Report("vtok_tokens", "Tokens of VTok", PROTOCOL, model)
    with scratch() as temporary:
        long = longer(model, Path(temporary, "vtok-long.safetensors"))
        jobs = [Job(path, model, str(long)) for path in clips(data, limit)]
        report.rows = [row for rows in parallel(measure, jobs, workers) for row in rows]
    if not report.rows:
        raise typer.BadParameter(f"none of {len(jobs)} clips of {data} has {FRAMES} frames", param_hint="--data")
    summarize(report, model)
    report.write(out)


def longer(model: str, path: Path) -> Path:
    """The bundle with clips of `STILL_FRAMES` frames: no weight depends on their length."""
    from dataclasses import replace

    import torch

    from vtc.codec.weights import find
    from vtc.tokenizers.bundle import load_bundle, save_bundle
    from vtc.tokenizers.vtok import VTok

    bundle = load_bundle(find(model), dtype=torch.float32)
    assert isinstance(bundle.tokenizer, VTok), f"{model} is no VTok"
    same = VTok(replace(bundle.tokenizer.config, clip_frames=STILL_FRAMES))
    same.load_state_dict(bundle.tokenizer.state_dict())
    save_bundle(path, same, bundle.entropy, {})
    return path


def numbers(most: int) -> list[int]:
    """Values of R: none, then doubled up to all."""
    return sorted({0, most} | {2**i for i in range(most.bit_length())})


def expected(config: dict[str, Any], frames: int, tokens: int) -> int:
    """Tokens of a video: in every clip S, R for each group of the frames after the first, and the place of a chosen key frame."""
    cells, length = (config["side"] // 16) ** 2, config["clip_frames"]
    groups = -(-(length - 1) // config["group"])
    return -(-frames // length) * (cells + tokens * groups + (config["key_frame"] == "best"))


def measure(job: Job) -> list[dict[str, Any]]:
    """Rows of one clip; none for a clip that is too short."""
    import vtc
    from vtc.codec.weights import describe, find

    config = describe(find(job.model)).card["config"]
    rows: list[dict[str, Any]] = []
    with scratch() as name:
        folder = Path(name)
        pictures = square(job.path, folder / "source.mp4", FRAMES)
        if pictures is None:
            return rows
        for tokens in (*numbers(config["residuals"]), None):
            done = vtc.encode(folder / "source.mp4", folder / "clip.vtc", model=job.model, tokens=tokens, threads=1, overwrite=True)
            with vtc.open(folder / "clip.vtc", threads=1) as video:
                frames, clip = psnr(pictures, video.frames)
            told = {"tokens": done.tokens, "bytes": done.bytes, "bpp": done.bpp, "psnr": frames, "psnr_clip": clip}
            rows.append({"clip": label(job.path), "what": "tokens", "R": tokens, **told})
        middle = pictures[FRAMES // 2]
        for kind, model in (("own", job.model), ("long", job.long)):
            if kind == "long":
                os.environ["VTC_WEIGHTS"] = str(Path(model).parent)
            spent = {count: still(middle, count, model, folder) for count in (1, STILL_FRAMES)}
            for count, found in spent.items():
                rows.append({"clip": label(job.path), "what": "still", "clips": kind, "frames": count, **found})
        os.environ.pop("VTC_WEIGHTS", None)
    return rows


def still(picture: np.ndarray, count: int, model: str, folder: Path) -> dict[str, float]:
    """Bytes of a picture that is shown for `count` frames, of the whole file and of its streams alone, and what is seen of it in dB."""
    import vtc
    from vtc.container import open_reader

    source, coded = folder / "still.mp4", folder / "still.vtc"
    write_lossless([picture] * count, source, 25)
    done = vtc.encode(source, coded, model=model, threads=1, overwrite=True)
    with open_reader(coded) as reader:
        streams = sum(reader.count_bytes().streams.values())
    with vtc.open(coded, threads=1) as video:
        frames, _ = psnr([picture] * count, video.frames)
    return {"bytes": done.bytes, "streams": streams, "tokens": done.tokens, "psnr": frames}


def summarize(report: Report, model: str) -> None:
    """Tables and claims from the rows."""
    from vtc.codec.weights import describe, find

    config = describe(find(model)).card["config"]
    most, group = config["residuals"], config["group"]
    by = [row for row in report.rows if row["what"] == "tokens"]
    lines, right = [], True
    for tokens in (*numbers(most), None):
        rows = [row for row in by if row["R"] == tokens]
        count = mean(row["tokens"] for row in rows)
        right &= tokens is None or all(row["tokens"] == expected(config, FRAMES, tokens) for row in rows)
        lines.append([
            "rule" if tokens is None else str(tokens), "–" if tokens is None else f"{tokens / group:g}", f"{count:.0f}",
            f"{mean(row['bytes'] for row in rows):.0f}", f"{mean(row['bpp'] for row in rows):.4f}",
            f"{mean(row['psnr'] for row in rows):.2f}", f"{mean(row['psnr_clip'] for row in rows):.2f}",
        ])  # fmt: skip
    header = ["R (a group)", "R a frame", "tokens", "bytes", "bpp", "PSNR", "of clip MSE"]
    report.table(header, lines, f"{FRAMES} frames, groups of {group}, mean over {len({row['clip'] for row in by})} clips")
    report.claim("S + R for each group of later frames, in every clip", "all counts agree" if right else "counts differ", right)
    header = ["clips of", "1 frame, bytes", f"{STILL_FRAMES} frames, bytes", "ratio", "streams alone", "ratio", "PSNR of both"]
    lines = []
    for kind, length in (("own", config["clip_frames"]), ("long", STILL_FRAMES)):
        rows = [row for row in report.rows if row["what"] == "still" and row["clips"] == kind]
        one, all_ = ([row for row in rows if row["frames"] == count] for count in (1, STILL_FRAMES))
        (whole, streams) = (sum(row[key] for row in all_) / sum(row[key] for row in one) for key in ("bytes", "streams"))
        lines.append([
            f"{length} frames", f"{mean(row['bytes'] for row in one):.0f}", f"{mean(row['bytes'] for row in all_):.0f}", f"{whole:.3f}",
            f"{mean(row['streams'] for row in one):.0f} and {mean(row['streams'] for row in all_):.0f}", f"{streams:.3f}",
            f"{mean(row['psnr'] for row in one):.2f} and {mean(row['psnr'] for row in all_):.2f}",
        ])  # fmt: skip
        claim = f"a still clip of {STILL_FRAMES} frames costs less than {MOST} times its key frame, clips of {length} frames"
        report.claim(claim, f"{streams:.3f} times, whole files {whole:.3f} times", streams < MOST)
    report.table(header, lines, "Still pictures")


if __name__ == "__main__":
    typer.run(main)
