"""What a run starts from: a bundle that is given, or a model that is fitted first; kept with the run."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from vtc.errors import TrainingError
from vtc.tokenizers.base import fit_klt
from vtc.tokenizers.bundle import load_bundle, save_bundle
from vtc.tokenizers.contract import Tokenizer

Kind = TypeVar("Kind", bound=Tokenizer)


def started(kind: type[Kind], folder: Path, init: Path | None, make: Callable[[], Kind]) -> Kind:
    """The tokenizer that a run starts from, float32: the bundle `init`, or what `make` gives. It is kept in the run's `folder`, and read
    again from there when resuming."""
    path = folder / "start.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        if init is not None:
            shutil.copyfile(init, path)
        else:
            save_bundle(path, make(), {}, {})
    tokenizer = load_bundle(path, dtype=torch.float32).tokenizer
    if not isinstance(tokenizer, kind):
        raise TrainingError(f"{init or path} is no bundle of {kind.__name__}", "start without --init, or from another bundle")
    return tokenizer.requires_grad_(True)


@torch.no_grad()
def klt_start(layer: nn.Linear, patches: Sequence[Tensor]) -> None:
    """Let a patchifier begin with the KLT of patches `[..., n]`."""
    basis, mean = fit_klt(torch.cat([p.reshape(-1, p.shape[-1]) for p in patches]), layer.weight.shape[0])
    layer.weight.copy_(basis.T)
    layer.bias.copy_(-(mean @ basis))
