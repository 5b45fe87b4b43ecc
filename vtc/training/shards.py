"""Tensors in several safetensors files of at most 16 MiB, for places that take no larger ones.

The index names the shard of every tensor, as large models are published (`NAME.safetensors.index.json`). A tensor that
is too large for a shard is cut into flat pieces. Shards of a state carry its hash in their names, so that the old ones
stay whole until the new index is in place.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

LIMIT = 16 * 2**20
_HEADER = 2**20  # left for the names and shapes in a shard


def index_of(folder: Path, name: str) -> Path:
    """Where the index of a name lies."""
    return folder / f"{name}.safetensors.index.json"


def write(folder: Path, name: str, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
    """Write contiguous tensors on the CPU, and `state`, in the place of what has that name."""
    pieces = [piece for key, tensor in tensors.items() for piece in _cut(key, tensor)]
    shards: list[dict[str, Tensor]] = [{}]
    room = LIMIT - _HEADER
    for key, piece in pieces:
        if piece.nbytes > room:
            shards.append({})
            room = LIMIT - _HEADER
        shards[-1][key] = piece
        room -= piece.nbytes
    mark = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:8]
    names = [f"{name}-{mark}-{i:05}-of-{len(shards):05}.safetensors" for i in range(1, len(shards) + 1)]
    for file, shard in zip(names, shards):
        save_file(shard, folder / file)
    index = {
        "metadata": {"total_size": sum(piece.nbytes for _, piece in pieces), "state": state},
        "weight_map": {key: file for file, shard in zip(names, shards) for key in shard},
        "shapes": {key: list(tensor.shape) for key, tensor in tensors.items()},
    }
    part = folder / f".{name}.index.{os.getpid()}"
    part.write_text(json.dumps(index))
    os.replace(part, index_of(folder, name))
    _remove_others(folder, name, set(names))


def read(folder: Path, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and state. Raises what reading files raises, and `KeyError` where the index lacks something."""
    index = json.loads(index_of(folder, name).read_text())
    pieces: dict[str, list[Tensor]] = {key: [] for key in index["shapes"]}
    for file in sorted(set(index["weight_map"].values())):
        with safe_open(folder / file, framework="pt") as shard:
            for key, own in index["weight_map"].items():
                if own == file:
                    pieces[key.rpartition("@")[0]].append(shard.get_tensor(key))
    tensors = {key: torch.cat(pieces[key]).view(shape) for key, shape in index["shapes"].items()}
    return tensors, index["metadata"]["state"]


def remove(folder: Path, name: str) -> None:
    """Remove shards and index of a name, if there are any."""
    index_of(folder, name).unlink(missing_ok=True)
    _remove_others(folder, name, set())


def _remove_others(folder: Path, name: str, kept: set[str]) -> None:
    for path in folder.glob(f"{name}-*-of-*.safetensors"):
        if path.name not in kept:
            path.unlink()


def _cut(key: str, tensor: Tensor) -> list[tuple[str, Tensor]]:
    """Flat pieces of a tensor that fit into a shard, named `KEY@NUMBER`."""
    pieces = tensor.flatten().split((LIMIT - _HEADER) // tensor.element_size())
    return [(f"{key}@{i:04}", piece.clone()) for i, piece in enumerate(pieces)]
