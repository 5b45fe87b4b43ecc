"""`vtc train entropy`: a bundle and training videos to the same bundle with tables of the `context` profile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vtc.codec.model import stream_infos
from vtc.codec.streams import BASE_STREAMS
from vtc.codec.symbols import LEARNED, STATIC, SymbolCoder
from vtc.entropy import ContextModel, StaticModel, VectorModel
from vtc.entropy.stream import Ints
from vtc.errors import TrainingError
from vtc.tokenizers.base import BaseLayer
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.layers.patch import PATCH_TIME
from vtc.training.context.loop import Effort
from vtc.training.context.runs import sample_runs
from vtc.training.context.symbols import Progress, fit_symbols, plan_of
from vtc.training.context.vectors import fit_vectors
from vtc.training.data import index_folders
from vtc.training.report import Reporter

VIDEOS = 128
MOTION_SHARE = 0.15  # of the time


@dataclass(frozen=True)
class Learned:
    """What came of it: the `bundle` written, the `videos` asked for, the coded `tokens` learned from, the data's `manifest`."""

    bundle: Path
    videos: int
    tokens: int
    manifest: str


def train_context(
    bundle: Path,
    data: Sequence[Path],
    out: Path,
    *,
    minutes: float = 10.0,
    steps: int | None = None,
    videos: int = VIDEOS,
    seed: int = 0,
    threads: int | None = None,
    evaluation: Sequence[Path] = (),
    reporter: Reporter | None = None,
) -> Learned:
    """Write `out`: the bundle with context tables for the streams of its base layer, learned in `minutes` (or `steps` of every network)
    from up to `videos` training videos below `data`. Its other contents stay as they are; its identity does not.

    Raises TrainingError for a bundle without a base layer, and for data that cannot be used.
    """
    voice = reporter or Reporter()
    if threads:
        torch.set_num_threads(threads)
    loaded = load_bundle(bundle, dtype=torch.float32)
    base = loaded.tokenizer.base
    if base is None:
        raise TrainingError(f"{bundle} has no base layer", "context tables are for the streams of a base layer")
    if out.resolve() == bundle.resolve():
        raise TrainingError(
            f"{out} is the bundle itself", "files name their bundle by its hash: choose another folder with --out"
        )
    coders = SymbolCoder(stream_infos(loaded.tokenizer), loaded.entropy).coders
    motion, _, _, structural = (coders[number].get(STATIC) for number in range(len(BASE_STREAMS)))
    if not isinstance(motion, StaticModel) or not isinstance(structural, StaticModel):
        raise TrainingError(f"{bundle} has no static tables to start from", "train it again")
    index = index_folders(data, seed, evaluation)
    runs = sample_runs(base, index, videos, seed, voice)
    tokens = sum(int((run.structural != 0).any(-1).sum()) for run in runs)
    voice.say(f"{len(runs)} runs with {tokens} coded tokens")
    plan = plan_of(structural, persistence(base))
    effort, rest = Effort(minutes * 60, steps, seed=seed), 1 - MOTION_SHARE
    models: dict[str, ContextModel | VectorModel] = {
        "structural": fit_symbols(plan, runs, effort.share(rest), _telling(voice, 0.0, rest)),
        "motion": fit_vectors(motion.spec, runs, effort.share(MOTION_SHARE), _telling(voice, rest, MOTION_SHARE)),
    }
    plain = {name: array for name, array in loaded.entropy.items() if not name.partition(".")[2].startswith(LEARNED)}
    entropy = dict(plain)
    for stream, model in models.items():
        entropy |= {f"{stream}.{LEARNED}{name}": np.ascontiguousarray(array) for name, array in model.arrays.items()}
    earlier = [loaded.identity.hex()] if len(plain) == len(loaded.entropy) else []
    card = {
        **loaded.card,
        "context": {"from": loaded.identity.hex(), "manifest": index.manifest, "runs": len(runs), "tokens": tokens},
        "reads": [
            *loaded.card.get("reads", []),
            *earlier,
        ],  # bundles without other context tables: their files can be decoded
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    save_bundle(out, loaded.tokenizer, entropy, card)
    out.chmod(0o644)
    return Learned(out, min(videos, len(index.clips)), tokens, index.manifest)


def persistence(base: BaseLayer) -> Ints:
    """How much of what each channel puts into a picture is there in the next slice, int32 [C] in 1/16: the share of a basis vector that
    is left when its last frame takes the place of all. Near 1 for those that do not change in time, near 0 for those that do."""
    frames = base.basis.float().T.unflatten(1, (3, PATCH_TIME, -1))
    share = (frames * frames[:, :, -1:]).sum((1, 2, 3)).clamp(0, 1)
    return np.asarray((share * 16).round().int().cpu().numpy())


def _telling(voice: Reporter, start: float, share: float) -> Progress:
    def progress(what: str, position: float, step: int, loss: float) -> None:
        voice.progress(start + share * position, {"step": step, what: loss})

    return progress
