"""Weights under the names of the public CoordTok code."""

from torch import Tensor, ones

from vtc.tokenizers.coordtok import CoordTok

PARTS = {
    "encoder.video.patch_in.": "encoder.encoder.patch_embed.proj.",
    "encoder.video.class_token": "encoder.encoder.cls_token",
    "encoder.video.places": "encoder.encoder.pos_emb",
    "encoder.video.blocks.": "encoder.encoder.layers.",
    "encoder.video.norm.": "encoder.encoder.norm.",
    "encoder.video_places": "encoder.cross_pos_emb",
    "encoder.layers.": "encoder.transformer.layers.",
    "encoder.norm.": "encoder.transformer.norm.",
    "decoder.lookup.embed.": "decoder.transformer.patch_embed.",
    "decoder.places.table": "decoder.transformer.pos_embed",
    "decoder.blocks.": "decoder.transformer.layers.",
    "decoder.norm.": "decoder.transformer.norm.",
    "decoder.head.": "decoder.projector.",
    **{f"encoder.{name}.inward.": f"encoder.patch_embeds_{name}.proj." for name in ("xy", "yt", "xt")},
    **{f"encoder.{name}.outward.": f"encoder.projectors_{name}." for name in ("xy", "yt", "xt")},
    **{f"encoder.{name}.plane": f"weight_tokens_{name}" for name in ("xy", "yt", "xt")},
}
"""How names begin here, and there."""

WITH_BATCH = ("weight_tokens", "pos_emb", "cls_token")


def published(model: CoordTok) -> dict[str, Tensor]:
    """What a training checkpoint of the public code would hold of a model, with a weight of its perceptual loss."""
    state = {"module.decoder.lpips_loss.lin0.weight": ones(1)}
    for name, tensor in model.state_dict().items():
        if name == "gain":
            continue
        own, there = next(pair for pair in PARTS.items() if name.startswith(pair[0]))
        name = there + name.removeprefix(own)
        if name.startswith("encoder.transformer"):
            name = name.replace("attn.qkv.weight", "attn.in_proj_weight").replace("attn.proj.", "attn.out_proj.")
            name = name.replace("mlp.2.", "mlp.3.")
        else:
            name = name.replace("mlp.0.", "mlp.fc1.").replace("mlp.2.", "mlp.fc2.")
        state[f"module.{name}"] = tensor[None] if any(part in name for part in WITH_BATCH) else tensor
    return state
