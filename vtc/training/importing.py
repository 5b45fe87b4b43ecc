"""A checkpoint of the public CoordTok code as a bundle: its planes get a quantiser and entropy tables, fitted on given clips."""

from pathlib import Path
from typing import Any

import torch

from vtc.codec.quality import step_of
from vtc.errors import TrainingError
from vtc.tokenizers.bundle import save_bundle
from vtc.tokenizers.coordtok import CoordTok
from vtc.tokenizers.official import from_official, read_checkpoint
from vtc.training.data import index_folders
from vtc.training.report import Reporter
from vtc.training.tables import fit_tables, training_clips

SPREAD = 4.0
"""Standard deviation of a plane's symbols at quality 50: rounding then takes 7 % of it, about 4 bits a channel."""


def import_coordtok(
    checkpoint: Path,
    bundle: Path,
    clips: Path,
    *,
    count: int = 8,
    heads: tuple[int, int] | None = None,
    patch_time: int = 1,
    reporter: Reporter | None = None,
) -> CoordTok:
    """Write the bundle of a checkpoint, calibrated on up to `count` clips of the folder `clips`. `heads` and `patch_time` are what
    `from_official` wants to know.

    Raises BundleError for what is no such checkpoint, `TrainingError` for a folder without usable clips.
    """
    say = (reporter or Reporter()).say
    model = from_official(read_checkpoint(checkpoint), heads, patch_time).requires_grad_(False)
    say(f"{checkpoint}: {sum(p.numel() for p in model.parameters()):,} parameters, clips of {' x '.join(map(str, model.size))}")
    index = index_folders([clips])
    videos = [clip[None] for clip in training_clips(index, model.clip_frames, model.config.side, model.config.side, count)]
    if not videos:
        raise TrainingError(f"no video under {clips} has {model.clip_frames // 2} frames or more", "calibrate on longer clips")
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        planes = [model.planes(video) for video in videos]
    spread = torch.stack([torch.cat([parts[i].flatten() for parts in planes]).std() for i in range(3)])
    model.gain.copy_(SPREAD * step_of(50) / spread)
    say(f"planes of {len(videos)} clips spread by {', '.join(f'{float(s):.3g}' for s in spread)}")
    card: dict[str, Any] = {"imported": checkpoint.name, "from": "the public CoordTok code", "manifest": index.manifest}
    save_bundle(bundle, model, fit_tables(model, videos), {**card, "calibrated on": len(videos)})
    return model
