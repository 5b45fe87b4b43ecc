"""Weights of networks that metrics need: files of the user's in one folder, since they do not come with this program."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vtc.errors import BundleError, Unavailable

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "VTC_METRIC_WEIGHTS"


def find_weights(what: str, names: Sequence[str], given: str | Path | None = None) -> Path:
    """A file of weights: the first of `names` in the folder `given`, else in the one that VTC_METRIC_WEIGHTS names.

    Either may be the file itself. `what` says for people what the weights are. Raises `Unavailable`.
    """
    place = str(given or os.environ.get(VARIABLE, ""))
    wanted = " or ".join(names)
    if not place:
        raise Unavailable(f"needs {what}: {wanted}", f"name its folder with --metric-weights or in {VARIABLE}")
    path = Path(place).expanduser()
    if path.is_file() and path.name in names:
        return path
    for name in names:
        if (path / name).is_file():
            return path / name
    raise Unavailable(f"needs {what}: {wanted}, which is not in {path}", f"put it there, or name its folder in {VARIABLE}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Tensors by name from safetensors or from a checkpoint of torch (.pth, .pt), on the CPU.

    A checkpoint is read with `weights_only`: tensors are built from it and nothing in it is run. Raises `BundleError`.
    """
    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # safetensors, zip and torch each have errors of their own for a damaged file
        raise BundleError(f"cannot read the weights {path}: {problem}", "fetch the file again") from problem
    if not isinstance(found, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in found.values()):
        raise BundleError(f"{path} does not hold tensors by name", "a state dict is expected")
    return dict(found)


def file_hash(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
