"""Bundles: one safetensors file with a tokenizer's weights, its entropy tables, its config and its card (DESIGN.md, Words)."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vtc.errors import BundleError
from vtc.tokenizers.contract import Tokenizer
from vtc.tokenizers.coordtok import CoordTok, CoordTokConfig
from vtc.tokenizers.dera import DeRA, DeRAConfig
from vtc.tokenizers.layers.precision import inference_dtype
from vtc.tokenizers.onedva import OneDVA, OneDVAConfig
from vtc.tokenizers.vtok import VTok, VTokConfig

FORMAT = 1
_TOKENIZERS: dict[str, tuple[type, type]] = {
    "onedva": (OneDVA, OneDVAConfig),
    "coordtok": (CoordTok, CoordTokConfig),
    "vtok": (VTok, VTokConfig),
    "dera": (DeRA, DeRAConfig),
}


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory. `entropy`: arrays by "stream.array"; `identity`: sha256 of the file; `card`: provenance as told at training."""

    name: str
    identity: bytes
    tokenizer: Tokenizer
    entropy: dict[str, np.ndarray]
    card: dict[str, Any]


def save_bundle(path: Path, tokenizer: Tokenizer, entropy: dict[str, np.ndarray], card: dict[str, Any]) -> None:
    """Write a bundle: weights in bfloat16, the base layer in float16 (its KLT wants the digits), whole numbers in few bytes."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in tokenizer.state_dict().items():
        kind = tensor.dtype
        if kind.is_floating_point:
            kind = torch.float16 if name.startswith("base.") else torch.bfloat16
        tensors[f"model.{name}"] = _narrow(tensor.detach().cpu().to(kind))
    for name, array in entropy.items():
        tensors[f"entropy.{name}"] = _narrow(torch.from_numpy(array))
    header = {"format": FORMAT, "tokenizer": tokenizer.name, "config": asdict(tokenizer.config), "card": card}
    header["streams"] = [asdict(stream) for stream in tokenizer.streams]  # for readers that do without torch
    part = path.with_name(f".{path.name}.part")
    save_file(tensors, part, {"vtc": json.dumps(header, sort_keys=True)})
    part.replace(path)


def load_bundle(path: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None) -> Bundle:
    """Read a bundle for use on `device`; the network in `dtype` (None: `inference_dtype`), the base layer always in float32.

    Raises BundleError where the file is missing, is no bundle, or is one of a later version.
    """
    device = torch.device(device)
    try:
        with safe_open(path, "pt") as file:
            header = json.loads((file.metadata() or {}).get("vtc", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        identity = hashlib.sha256(path.read_bytes()).digest()
    except (OSError, SafetensorError, ValueError) as problem:
        raise BundleError(f"{path} cannot be read as a bundle: {problem}", "see `vtc weights list`") from problem
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("tokenizer") not in _TOKENIZERS:
        raise BundleError(
            f"{path} is no bundle that this version of vtc knows", "see `vtc weights list`, or update vtc"
        )
    kind, config = _TOKENIZERS[header["tokenizer"]]
    weights = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    entropy = {name.removeprefix("entropy."): t.numpy() for name, t in tensors.items() if name.startswith("entropy.")}
    try:
        tokenizer = kind(config_from(config, header["config"]))
        tokenizer.load_state_dict(weights)
    except (RuntimeError, TypeError, KeyError, ValueError) as problem:
        raise BundleError(f"{path}: the weights do not fit their config", "fetch the bundle again") from problem
    tokenizer.to(dtype=dtype or inference_dtype(device))
    if tokenizer.base is not None:
        tokenizer.base.float()
        tokenizer.base.load_state_dict(
            {n.removeprefix("base."): t for n, t in weights.items() if n.startswith("base.")}
        )
    return Bundle(path.stem, identity, tokenizer.to(device).eval().requires_grad_(False), entropy, header["card"])


def _narrow(tensor: Tensor) -> Tensor:
    """Whole numbers in the narrowest type that holds them."""
    if tensor.is_floating_point() or not tensor.numel():
        return tensor.contiguous()
    low, high = int(tensor.min()), int(tensor.max())
    fits = (
        k for k in (torch.uint8, torch.int16, torch.int32) if torch.iinfo(k).min <= low and high <= torch.iinfo(k).max
    )
    return tensor.to(next(fits, torch.int64)).contiguous()


def config_from(kind: type, values: dict[str, Any]) -> Any:
    """A frozen dataclass from its JSON form, dataclasses inside it included. What a bundle of an earlier version does not tell has its
    default. TypeError for unknown names."""
    hints = get_type_hints(kind)
    known = {}
    for field in fields(kind):
        if field.name not in values:
            continue
        value = tuple(values[field.name]) if isinstance(values[field.name], list) else values[field.name]
        kinds = (hints[field.name], *get_args(hints[field.name]))
        inner = next((t for t in kinds if isinstance(t, type) and is_dataclass(t)), None)
        known[field.name] = config_from(inner, value) if inner is not None and isinstance(value, dict) else value
    if unknown := set(values) - set(known):
        raise TypeError(f"unknown settings {sorted(unknown)}")
    return kind(**known)
