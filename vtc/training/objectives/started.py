"""What a run starts from: a bundle that is given, or a model that is fitted first; kept with the run."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from vtc.errors import TrainingError
from vtc.tokenizers.base import fit_klt
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import Tokenizer
from vtc.tokenizers.layers.patch import PATCH_TIME, patchify

Kind = TypeVar("Kind", bound=Tokenizer)


def started(
    kind: type[Kind], folder: Path, init: Path | None, make: Callable[[], Kind], grow: Callable[[Kind], Kind] | None = None
) -> Kind:
    """The tokenizer that a run starts from, float32: the bundle `init`, with what `grow` adds to it, or what `make` gives. It is kept in
    the run's `folder`, and read again from there when resuming."""
    path = folder / "start.safetensors"
    if not path.exists():
        first = make() if init is None else _read(kind, init)
        if init is not None and grow is not None:
            first = grow(first)
        folder.mkdir(parents=True, exist_ok=True)
        save_bundle(path, first, {}, {})
    return _read(kind, path).requires_grad_(True)


def _read(kind: type[Kind], path: Path) -> Kind:
    tokenizer = load_bundle(path, dtype=torch.float32).tokenizer
    if not isinstance(tokenizer, kind):
        raise TrainingError(f"{path} is no bundle of {kind.__name__}", "start without --init, or from another bundle")
    return tokenizer


def grown(whole: Kind, known: Kind) -> Kind:
    """`whole`, which has parts more than `known`, with the weights of `known`; the other parts are as they were."""
    whole.load_state_dict({**whole.state_dict(), **known.state_dict()})
    return whole


@torch.no_grad()
def klt_start(layer: nn.Linear, patches: Sequence[Tensor]) -> None:
    """Let a patchifier begin with the KLT of patches `[..., n]`."""
    basis, mean = fit_klt(torch.cat([p.reshape(-1, p.shape[-1]) for p in patches]), layer.weight.shape[0])
    layer.weight.copy_(basis.T)
    layer.bias.copy_(-(mean @ basis))


def clip_start(layer: nn.Linear, clips: Iterable[Tensor]) -> None:
    """`klt_start` of a patchifier of clips, from the first patches in time of clips `[3, T, H, W]`."""
    klt_start(layer, [patchify(clip[None, :, : 2 * PATCH_TIME]) for clip in clips])
