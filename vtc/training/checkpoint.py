"""Checkpoints: one safetensors file with all tensors of a run and its state as JSON in the file's metadata.

Names are `model/…`, `average/…` and `adam/exp_avg/…`. One file, written aside and renamed, is whole or not there at
all.
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

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Tensors, state: dict[str, Any] | None = None) -> None:
    """Write tensors (on any device) and `state` to `path` atomically."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(plain, part, {"state": json.dumps(state)} if state else None)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Tensors (on the CPU) and state of a file of `save_tensors`."""
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise TrainingError(f"{path} cannot be read: {error}", "start a new run in another folder") from error


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
