"""Checkpoints of the public CoordTok code (github.com/huiwon-jang/CoordTok, commit 8475272), read as this project's CoordTok."""

import re
from math import isqrt
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vtc.errors import BundleError
from vtc.tokenizers.coordinate import CoordinateConfig
from vtc.tokenizers.coordtok import CoordTok, CoordTokConfig

HEAD_WIDTH = 64  # of all published sizes; a checkpoint does not tell it

_RULES = (
    (r"encoder\.encoder\.patch_embed\.proj\.", "encoder.video.patch_in."),
    (r"encoder\.encoder\.cls_token", "encoder.video.class_token"),
    (r"encoder\.encoder\.pos_emb", "encoder.video.places"),
    (r"encoder\.encoder\.layers\.", "encoder.video.blocks."),
    (r"encoder\.encoder\.norm\.", "encoder.video.norm."),
    (r"encoder\.cross_pos_emb", "encoder.video_places"),
    (r"encoder\.patch_embeds_(xy|yt|xt)\.proj\.", r"encoder.\1.inward."),
    (r"encoder\.projectors_(xy|yt|xt)\.", r"encoder.\1.outward."),
    (r"(?:encoder\.)?weight_tokens_(xy|yt|xt)", r"encoder.\1.plane"),
    (r"encoder\.transformer\.layers\.", "encoder.layers."),
    (r"encoder\.transformer\.norm\.", "encoder.norm."),
    (r"decoder\.transformer\.patch_embed\.", "decoder.lookup.embed."),
    (r"decoder\.transformer\.pos_embed", "decoder.places.table"),
    (r"decoder\.transformer\.layers\.", "decoder.blocks."),
    (r"decoder\.transformer\.norm\.", "decoder.norm."),
    (r"decoder\.projector\.", "decoder.head."),
)
_INSIDE = (
    ("attn.in_proj_weight", "attn.qkv.weight"),
    ("attn.out_proj.", "attn.proj."),
    ("mlp.fc1.", "mlp.0."),
    ("mlp.fc2.", "mlp.2."),
    ("mlp.3.", "mlp.2."),
)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The model's tensors of a `.pth` of the public code, or of a `.safetensors` with its names. Nothing in the file is run.

    Training checkpoints keep them under `model`, with `module.` in front. Raises BundleError.
    """
    found: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as problem:  # torch and safetensors raise many kinds for files that are none of theirs
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise BundleError(f"{path} cannot be read as a checkpoint: {reason}", "give the .pth of the public code") from problem
    if isinstance(found, dict) and isinstance(found.get("model"), dict):
        found = found["model"]
    if not isinstance(found, dict) or not all(isinstance(tensor, Tensor) for tensor in found.values()):
        raise BundleError(f"{path} holds no weights of a model", "give the .pth of the public code")
    return {str(name).removeprefix("module."): tensor.float() for name, tensor in found.items()}


def from_official(state: dict[str, Tensor], heads: tuple[int, int] | None = None, patch_time: int = 1) -> CoordTok:
    """The tokenizer of a state dict with the public names.

    Its sizes are read from the shapes. Those do not tell `heads` (of encoder and decoder; None: 64 channels each, as published) nor
    `patch_time`, the frames of a decoded patch (published: 1). Raises BundleError where something is missing or does not fit.
    """
    renamed = {new: tensor for name, tensor in state.items() if (new := _renamed(name)) is not None}
    try:
        config = _config(renamed, heads, patch_time)
        model = CoordTok(config)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        fitting = {name: tensor.reshape(shapes[name]) for name, tensor in renamed.items() if name in shapes}
        model.load_state_dict({"gain": model.gain, **fitting})
    except (KeyError, RuntimeError, ValueError) as problem:
        reason = str(problem).splitlines()[0]
        raise BundleError(f"these are not the weights of a CoordTok: {reason}", "see docs/coordtok.md") from problem
    return model.eval()


def _renamed(name: str) -> str | None:
    """The name here of a tensor there; None for what is no part of the model (the perceptual loss)."""
    for pattern, new in _RULES:
        if re.match(pattern, name):
            name = re.sub(pattern, new, name, count=1)
            for old, own in _INSIDE:
                name = name.replace(old, own)
            return name
    return None


def _config(state: dict[str, Tensor], heads: tuple[int, int] | None, patch_time: int) -> CoordTokConfig:
    width, _, tubelet_time, tubelet_side, _ = state["encoder.video.patch_in.weight"].shape
    times, rows, _, decoder_width = state["decoder.places.table"].shape[1:]
    patch_side = isqrt(len(state["decoder.head.bias"]) // (3 * patch_time))
    latent_time, latent_side = state["encoder.yt.inward.weight"].shape[2:]
    plane_time, plane_side, features = state["encoder.yt.plane"].shape[-3:]
    encoder_heads, decoder_heads = heads or (width // HEAD_WIDTH, decoder_width // HEAD_WIDTH)
    decoder = CoordinateConfig(
        decoder_width, decoder_heads, _depth(state, "decoder.blocks."), 1024, patch_time, patch_side, "table"
    )
    return CoordTokConfig(
        clip_frames=times * patch_time, side=rows * patch_side, width=width, heads=encoder_heads,
        patch_depth=_depth(state, "encoder.video.blocks."), depth=_depth(state, "encoder.layers."),
        tubelet_time=tubelet_time, tubelet_side=tubelet_side, plane_time=plane_time, plane_side=plane_side,
        latent_time=latent_time, latent_side=latent_side, features=(features, features), linear=False, dead_zone=0.0,
        decoder=decoder,
    )  # fmt: skip


def _depth(state: dict[str, Tensor], prefix: str) -> int:
    """How many layers have names that begin so."""
    return 1 + max(int(name.removeprefix(prefix).partition(".")[0]) for name in state if name.startswith(prefix))
