"""Checkpoints: all tensors of a run and its state as JSON, in one safetensors file or, on request, in shards of 16 MiB.

Names of tensors are `model/…`, `average/…` and `adam/exp_avg/…`. One file, written aside and renamed, is whole or not
there at all; of shards the same holds for their index.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from vtc.errors import TrainingError
from vtc.training import shards

Tensors = dict[str, Tensor]


def has_tensors(folder: Path, name: str) -> bool:
    """Whether `write_tensors` left something of that name."""
    return _whole(folder, name).exists() or shards.index_of(folder, name).exists()


def write_tensors(
    folder: Path, name: str, tensors: Tensors, state: dict[str, Any] | None = None, sharded: bool = False
) -> None:
    """Write tensors (on any device) and `state` to `folder` under `name`, in the place of what has that name."""
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    if sharded:
        shards.write(folder, name, plain, state or {})
        _whole(folder, name).unlink(missing_ok=True)
        return
    path = _whole(folder, name)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(plain, part, {"state": json.dumps(state)} if state else None)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    shards.remove(folder, name)


def read_tensors(folder: Path, name: str) -> tuple[Tensors, dict[str, Any]]:
    """Tensors (on the CPU) and state that `write_tensors` left."""
    path = _whole(folder, name)
    try:
        if not path.exists():
            return shards.read(folder, name)
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {key: file.get_tensor(key) for key in file.keys()}, state  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise TrainingError(f"{path} cannot be read: {error}", "start a new run in another folder") from error


def _whole(folder: Path, name: str) -> Path:
    return folder / f"{name}.safetensors"


def gather(model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> Tensors:
    """All tensors that a run needs to go on."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average/{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"adam/{key}/{name}"] = tensor
    return tensors


def scatter(tensors: Tensors, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put the tensors of `gather` back; `TrainingError` where they are another model's."""
    groups: dict[str, Tensors] = {"model": {}, "average": {}, "adam": {}}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        groups[kind][rest] = tensor
    try:
        model.load_state_dict(groups["model"])
        average.load_state_dict(groups["average"])
    except RuntimeError as error:
        raise TrainingError(
            "the checkpoint is of another model", "resume with the recipe that it was made by"
        ) from error
    parameters = dict(model.named_parameters())
    for name, tensor in groups["adam"].items():
        key, _, parameter_name = name.partition("/")
        parameter = parameters[parameter_name]
        # As the optimizer would lay it out: moments like the parameter, the step count on the parameter's device.
        own = torch.empty_like(parameter) if tensor.shape == parameter.shape else torch.empty_like(tensor)
        optimizer.state[parameter][key] = own.detach().to(parameter.device, tensor.dtype).copy_(tensor)
